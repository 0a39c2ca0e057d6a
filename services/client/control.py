"""`suspend`, `resume`, `terminate` and `purge`: what a person does to one orchestration."""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final

from durabletask.client import (
    OrchestrationQuery,
    OrchestrationState,
    OrchestrationStatus,
    TaskHubGrpcClient,
)

from services.client.errors import COMPLETED, BadInputError
from services.client.messages import say, stderr_console
from services.client.progress import NOT_FINAL
from services.client.session import Session, open_session
from services.client.settings import ClientSettings
from services.client.submitted import part_of
from services.client.waiting import is_final
from services.shared.batches import Part
from services.shared.payload_files import PayloadMissingError

_REQUESTS: Final[dict[str, tuple[Callable[..., None], str]]] = {
    # verb -> (the call, what it means)
    "suspend": (
        TaskHubGrpcClient.suspend_orchestration,
        "suspend requested; activities that run already are finished",
    ),
    "resume": (TaskHubGrpcClient.resume_orchestration, "resume requested"),
    "terminate": (
        partial(TaskHubGrpcClient.terminate_orchestration, output="terminated by hand"),
        "termination requested, of its sub-orchestrations too",
    ),
}


def request(verb: str, instance_id: str, settings: ClientSettings) -> int:
    """Sends one of `_REQUESTS`; `BadInputError` where there is nothing that it could change."""
    call, meaning = _REQUESTS[verb]
    messages = stderr_console()
    with open_session(settings, partial(say, messages)) as session:
        state = session.get(instance_id, payloads=False)
        # Below one that is terminated some may run yet: of a termination that was interrupted.
        is_again = verb == "terminate" and state.runtime_status is OrchestrationStatus.TERMINATED
        if is_final(state) and not is_again:
            raise BadInputError(
                f"{instance_id} is {state.runtime_status}: there is nothing to {verb}"
            )
        if verb == "resume" and state.runtime_status is not OrchestrationStatus.SUSPENDED:
            # A worker fails an orchestration that is resumed in mid-run.
            raise BadInputError(f"{instance_id} is {state.runtime_status}, not suspended")
        session.send(lambda client: call(client, instance_id))
        if verb == "terminate":
            # Not every backend reaches the children; a second request changes nothing.
            for child in _children(session, instance_id, NOT_FINAL):
                session.send(partial(call, instance_id=child))
    say(messages, f"{instance_id}: {meaning}")
    return COMPLETED


def purge(instance_id: str, settings: ClientSettings) -> int:
    """Forgets a finished orchestration and its sub-orchestrations for good."""
    messages = stderr_console()
    with open_session(settings, partial(say, messages)) as session:
        state = session.get(instance_id, payloads=True)
        if not is_final(state):
            raise BadInputError(f"{instance_id} is {state.runtime_status}: terminate it first")
        # From below: a tree is too much for one call, and what is left can be purged again.
        count = sum(_purge(session, below) for below in _holding_batches(_part(state)))
        count += _purge(session, instance_id)
        # Not every backend reaches the children.
        count += sum(_purge(session, child) for child in _children(session, instance_id, None))
    say(messages, f"{instance_id}: purged, {count} in all with its sub-orchestrations")
    return COMPLETED


def _purge(session: Session, instance_id: str) -> int:
    purged = session.send(lambda client: client.purge_orchestration(instance_id))
    return purged.deleted_instance_count


def _part(state: OrchestrationState) -> Part | None:
    try:
        return part_of(state)
    except PayloadMissingError:
        return None  # a reason more to forget it


def _holding_batches(part: Part | None) -> Iterator[str]:
    """The ids of the parts below this one whose children are batches."""
    if part is not None and not part.holds_batches:
        for child in part.children:
            if child.holds_batches:
                yield child.instance_id
            yield from _holding_batches(child)


def _children(
    session: Session, parent: str, statuses: Iterable[OrchestrationStatus] | None
) -> list[str]:
    query = OrchestrationQuery(
        runtime_status=list(statuses) if statuses else None, instance_id_prefix=f"{parent}:"
    )
    child = re.compile(re.escape(parent) + r"(:[0-9a-f]{4,})+")
    return [
        state.instance_id for state in session.query(query) if child.fullmatch(state.instance_id)
    ]
