"""The page of one orchestration: its header. What is below it, the browser's modules draw."""

from starlette.requests import Request
from starlette.responses import Response

from services.dashboard.actions import actions_for
from services.dashboard.addresses import segment
from services.dashboard.desk import Content, desk_of, etag_of, hub_of, id_of
from services.dashboard.errors import BadAddressError
from services.dashboard.statuses import status_of

_TABS = ("timeline", "history", "sequence", "io", "failure")


async def show(request: Request) -> Response:
    """The page of an instance."""
    return await desk_of(request).page(request, "orchestrations", _look)


async def _look(request: Request) -> Content | None:
    tab = request.query_params.get("tab", "")
    if tab not in {"", *_TABS}:
        raise BadAddressError(f"tab={tab!r} in the address: one of {', '.join(_TABS)} is meant")
    instance_id = id_of(request)
    answer = await desk_of(request).api.call(
        hub_of(request), f"/orchestrations/{segment(instance_id)}", etag=etag_of(request)
    )
    if answer.is_unchanged:
        return None
    found = answer.json()
    return Content(
        title=f"{found['name']} {instance_id}",
        template="orchestration.html",
        region="orchestration_region.html",
        etag=answer.etag,
        values={
            "instance": found,
            "actions": actions_for(status_of(found["status"])),
            "tab": tab or "timeline",
        },
    )
