"""The task hubs, and the workers of one of them with the work that waits for them."""

import asyncio
import heapq
from typing import Any, Final

from services.scheduler.auth.identity import Access
from services.scheduler.dispatch.items import Kind
from services.scheduler.dispatch.streams import WorkerStream
from services.scheduler.http import replies
from services.scheduler.http.operations import Ask, Operation, Reply, reply
from services.scheduler.http.states import Json, counts, time_of
from services.scheduler.hub.opened import OpenHub
from services.scheduler.store.rows import micros
from services.scheduler.store.statements import SQL

# Names come from whoever schedules work: there may be as many as there are orchestrations.
_WAITING_MAX: Final = 200
_PLURALS: Final = {
    Kind.ORCHESTRATION: "Orchestrations",
    Kind.ACTIVITY: "Activities",
    Kind.ENTITY: "Entities",
}


async def _task_hubs(ask: Ask) -> Reply:
    shown = await asyncio.gather(*(_task_hub(hub) for hub in ask.visible))
    return reply({"taskHubs": sorted(shown, key=lambda hub: str(hub["name"]))})


async def _task_hub(hub: OpenHub) -> Json:
    rows = await hub.read(lambda connection: connection.execute(SQL["counts"]).fetchall())
    numbers, entities = counts(rows)
    workers = len(hub.dispatcher.streams)
    return {"name": hub.name, "counts": numbers, "entities": entities, "workers": workers}


def _revision(ask: Ask) -> str:
    hubs = (f"{hub.revision}-{len(hub.dispatcher.streams)}" for hub in ask.visible)
    return ".".join(hubs)


async def _workers(ask: Ask) -> Reply:
    dispatcher = ask.hub.dispatcher
    names = dispatcher.waiting_names()
    shown = heapq.nlargest(_WAITING_MAX, names.items(), key=lambda waiting: waiting[1])
    waiting: list[Json] = [
        {
            "kind": kind.name.lower(),
            "name": name,
            "version": version,
            "count": number,
            "isAccepted": any(
                stream.terms.accepts(kind, name, version) for stream in dispatcher.streams
            ),
        }
        for (kind, name, version), number in shown
    ]
    waiting.sort(key=lambda work: (work["kind"], work["name"], work["version"] or ""))
    workers = [_worker(stream) for stream in dispatcher.streams]
    more = len(names) - len(shown)
    return reply({"workers": workers, "waiting": waiting, "waitingMore": more})


def _worker(stream: WorkerStream) -> Json:
    shown: Json = {
        "workerId": stream.terms.worker_id,
        "connectedAt": time_of(micros(stream.connected_at)),
    }
    for kind, plural in _PLURALS.items():
        shown[f"active{plural}Count"] = stream.in_air[kind]
        shown[f"max{plural}Count"] = stream.terms.limits[kind]
    shown["filters"] = _filters(stream)
    return shown


def _filters(stream: WorkerStream) -> dict[str, list[dict[str, Any]]] | None:
    if stream.terms.filters is None:
        return None
    return {
        plural.lower(): [
            {"name": name, "versions": sorted(versions)}
            for name, versions in sorted(stream.terms.filters[kind].names.items())
        ]
        for kind, plural in _PLURALS.items()
    }


OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/v1/taskhubs",
        name="listTaskHubs",
        access=Access.READ,
        summary="The task hubs that are served, with what is in them.",
        answer=_task_hubs,
        gives=replies.TaskHubList,
        is_of_hub=False,
        revision=_revision,
    ),
    Operation(
        method="GET",
        path="/v1/taskhubs/workers",
        name="listWorkers",
        access=Access.READ,
        summary="The workers that are connected, and the work that waits for one.",
        answer=_workers,
        gives=replies.WorkerList,
        is_tagged_by_body=True,
    ),
)
