"""The workers that are connected, what they are at, and work that none of them accepts."""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from services.dashboard.desk import Content, desk_of, etag_of, hub_of

# What a worker takes: the API's word in its counts and, in lower case, in its filters; the icon.
_KINDS: Final = (
    ("Orchestrations", "orchestration"),
    ("Activities", "activity"),
    ("Entities", "entity"),
)


async def show(request: Request) -> Response:
    """The page of workers."""
    return await desk_of(request).page(request, "workers", _look)


async def _look(request: Request) -> Content | None:
    answer = await desk_of(request).api.call(hub_of(request), "/workers", etag=etag_of(request))
    if answer.is_unchanged:
        return None
    found = answer.json()
    waiting = found["waiting"]
    return Content(
        title="Workers",
        template="workers.html",
        region="workers_region.html",
        etag=answer.etag,
        values={
            "workers": [_worker(worker) for worker in found["workers"]],
            "waiting": [item for item in waiting if item["isAccepted"]],
            "waiting_more": found.get("waitingMore", 0),
            "unaccepted": [item for item in waiting if not item["isAccepted"]],
        },
    )


def _worker(worker: dict[str, Any]) -> dict[str, Any]:
    filters = worker["filters"] or {}
    return {
        "id": worker["workerId"],
        "connected_at": worker["connectedAt"],
        "names": sum(len(filters.get(label.lower()) or []) for label, _icon in _KINDS),
        "accepts_everything": worker["filters"] is None,
        "kinds": [
            {
                "label": label,
                "icon": icon,
                "active": worker[f"active{label}Count"],
                "max": worker[f"max{label}Count"],
                "accepts": filters.get(label.lower()) or [],
            }
            for label, icon in _KINDS
        ],
    }
