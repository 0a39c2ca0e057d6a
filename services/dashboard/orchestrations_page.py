"""The list of orchestrations, and the way from an id that somebody typed to its page."""

from datetime import UTC, datetime
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.dashboard.addresses import entities_url, instance_url, orchestrations_url, segment
from services.dashboard.desk import Content, desk_of, etag_of, hub_of
from services.dashboard.errors import SchedulerAwayError
from services.dashboard.orchestration_query import COLUMNS, COUNTS, RANGES, OrchestrationQuery
from services.dashboard.statuses import ALL


async def show(request: Request) -> Response:
    """The list, as its address asks."""
    return await desk_of(request).page(request, "orchestrations", _look)


async def _look(request: Request) -> Content | None:
    query = OrchestrationQuery.parse(request.query_params)
    hub = hub_of(request)
    answer = await desk_of(request).api.query(
        hub, "/orchestrations/query", query.body(datetime.now(UTC)), etag=etag_of(request)
    )
    if answer.is_unchanged:
        return None
    found = answer.json()
    counts = found["counts"]["all" if query.with_children else "roots"]
    return Content(
        title="Orchestrations",
        template="orchestrations.html",
        region="orchestrations_region.html",
        etag=answer.etag,
        values={
            "query": query,
            "sought": request.query_params.get("sought") == "1",
            "orchestrations": found["orchestrations"],
            "total": found["totalCount"],
            "total_is_exact": found["totalIsExact"],
            "next_cursor": found["nextCursor"],
            "hub_total": counts["total"],
            "counts": [(status, counts["byStatus"].get(status.code, 0)) for status in ALL],
            "names": _names(found["names"], query.name),
            "ranges": RANGES,
            "columns": COLUMNS,
            "page_sizes": COUNTS,
        },
    )


def _names(names: list[str], chosen: str) -> list[str]:
    """The names to choose from; a chosen one stays among them when it has no instances."""
    return sorted({*names, chosen} - {""})


async def open_by_id(request: Request) -> Response:
    """Leads to the instance of an id, or to the ids that begin like it.

    Blanks around it may be part of it, or came along when it was copied.
    """
    hub = hub_of(request)
    typed = request.query_params.get("id", "")
    instance_id = typed.strip()
    if not instance_id:
        return RedirectResponse(orchestrations_url(hub), 303)
    for one in dict.fromkeys((typed, instance_id)):
        if await _exists(request, hub, one):
            return RedirectResponse(instance_url(hub, one), 303)
    if instance_id.startswith("@"):
        return RedirectResponse(entities_url(hub, instance_id, ""), 303)
    return RedirectResponse(orchestrations_url(hub, prefix=instance_id, sub="1", sought="1"), 303)


async def _exists(request: Request, hub: str, instance_id: str) -> bool:
    kind = "entities" if instance_id.startswith("@") else "orchestrations"
    try:
        answer = await desk_of(request).api.call(hub, f"/{kind}/{segment(instance_id)}")
    except SchedulerAwayError:
        return True  # its page will say so, and show it later
    return answer.status == HTTPStatus.OK
