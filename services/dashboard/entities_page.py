"""The list of entities, and the page of one: its state, its queue and its lock."""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from services.dashboard.addresses import hub_url, segment
from services.dashboard.desk import Content, desk_of, etag_of, hub_of, id_of

_COUNT: Final = 100
# A state may be a megabyte: the page shows its beginning, and the way to the whole.
_STATE_CHARS_MAX: Final = 100_000


async def show(request: Request) -> Response:
    """The list of entities."""
    return await desk_of(request).page(request, "entities", _look)


async def _look(request: Request) -> Content | None:
    hub = hub_of(request)
    prefix = request.query_params.get("prefix", "")
    cursor = request.query_params.get("cursor", "")
    pagination: dict[str, Any] = {"count": _COUNT}
    if cursor:
        pagination["cursor"] = cursor
    asked = {
        "filter": {"includeTransient": True} | ({"instanceIdPrefix": prefix} if prefix else {}),
        "pagination": pagination,
    }
    answer = await desk_of(request).api.query(hub, "/entities/query", asked, etag=etag_of(request))
    if answer.is_unchanged:
        return None
    found = answer.json()
    return Content(
        title="Entities",
        template="entities.html",
        region="entities_region.html",
        etag=answer.etag,
        values={
            "entities": found["entities"],
            "total": found["totalCount"],
            "total_is_exact": found["totalIsExact"],
            "next_cursor": found["nextCursor"],
            "prefix": prefix,
            "cursor": cursor,
        },
    )


async def show_one(request: Request) -> Response:
    """The page of an entity."""
    return await desk_of(request).page(request, "entities", _look_at_one)


def _stored(hub: str, found: dict[str, Any]) -> dict[str, Any] | None:
    """Where to find a state that lies in the payload store, and its size if it is there."""
    sizes = found.get("stored", {})
    if "state" not in sizes:
        return None
    url = f"{hub_url(hub)}/api/payloads/{segment(found['state'])}"
    return {"bytes": sizes["state"], "url": url}


async def _look_at_one(request: Request) -> Content | None:
    hub, entity_id = hub_of(request), id_of(request)
    path = f"/entities/{segment(entity_id)}"
    answer = await desk_of(request).api.call(hub, path, etag=etag_of(request))
    if answer.is_unchanged:
        return None
    found = answer.json()
    state = found["state"]
    return Content(
        title=f"{found['name']} {found['key']}",
        template="entity.html",
        region="entity_region.html",
        etag=answer.etag,
        values={
            "entity": found,
            "is_cut": state is not None and len(state) > _STATE_CHARS_MAX,
            "state": None if state is None else state[:_STATE_CHARS_MAX],
            "whole_url": f"{hub_url(hub)}/api{path}",
            "stored": _stored(hub, found),
        },
    )
