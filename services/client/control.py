"""`suspend`, `resume`, `terminate` and `purge`: what a person does to one orchestration."""

from collections.abc import Callable
from functools import partial
from typing import Final

from durabletask.client import TaskHubGrpcClient

from services.client.errors import COMPLETED, BadInputError
from services.client.messages import say, stderr_console
from services.client.session import open_session
from services.client.settings import ClientSettings
from services.client.waiting import is_final

_REQUESTS: Final[dict[str, tuple[Callable[[TaskHubGrpcClient, str], None], str]]] = {
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
    """Sends one of `_REQUESTS`; `BadInputError` for an orchestration that has ended."""
    call, meaning = _REQUESTS[verb]
    messages = stderr_console()
    with open_session(settings, partial(say, messages)) as session:
        state = session.get(instance_id, payloads=False)
        if is_final(state):
            raise BadInputError(
                f"{instance_id} is {state.runtime_status}: there is nothing to {verb}"
            )
        session.send(lambda client: call(client, instance_id))
    say(messages, f"{instance_id}: {meaning}")
    return COMPLETED


def purge(instance_id: str, settings: ClientSettings) -> int:
    """Forgets a finished orchestration and its sub-orchestrations for good."""
    messages = stderr_console()
    with open_session(settings, partial(say, messages)) as session:
        state = session.get(instance_id, payloads=False)
        if not is_final(state):
            raise BadInputError(f"{instance_id} is {state.runtime_status}: terminate it first")
        result = session.send(lambda client: client.purge_orchestration(instance_id))
    say(messages, f"{instance_id}: purged, {result.deleted_instance_count} orchestrations in all")
    return COMPLETED
