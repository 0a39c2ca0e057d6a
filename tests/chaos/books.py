"""The books of submissions: every order has one outcome, the one that it had to have."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from durabletask.client import OrchestrationState, OrchestrationStatus

from services.client.outcomes import read_outcomes
from services.client.report import summary_of
from services.client.session import Session, open_session
from services.client.settings import ClientSettings
from services.client.submitted import submitted
from services.scheduler.dispatch.suspects import DELIVERIES_MAX
from services.shared.environment import Environment
from tests.chaos.load import Submission
from tests.chaos.orders import revenue_of
from tests.chaos.stack import Stack

# Of what has ended its worker's stream at every delivery.
_GIVEN_UP: Final = f"ended the worker's stream {DELIVERIES_MAX} times running"


def mistakes(environment: Mapping[str, str], submissions: Sequence[Submission]) -> Iterator[str]:
    """What is wrong with what a client is told about submissions that must have ended."""
    settings = ClientSettings.read(Environment(environment))
    with open_session(settings, lambda _notice: None) as session:
        for submission in submissions:
            state = session.find(submission.instance_id, payloads=True)
            if state is not None:
                yield from _mistakes_of(session, submission, state)
            elif submission.acknowledged:
                yield f"{submission.instance_id} was acknowledged and is lost"


def _mistakes_of(
    session: Session, submission: Submission, state: OrchestrationState
) -> Iterator[str]:
    name = submission.instance_id
    if state.runtime_status is not OrchestrationStatus.COMPLETED:
        yield f"{name} is {state.runtime_status.name}: {state.failure_details}"
        return
    found = submitted(state)
    summary = summary_of(state)
    if found is None or summary is None:
        yield f"{name} has no submission or no summary: {state.serialized_output}"
        return
    rows: list[dict[str, Any]] = list(read_outcomes(session, found, state))
    expected = [line.outcome for line in submission.lines]
    if rows != expected:
        wrong = [(row, due) for row, due in zip(rows, expected, strict=False) if row != due]
        yield f"{name}: {len(rows)} outcomes of {len(expected)} orders, first wrong: {wrong[:1]}"
    completed = {row["order_id"] for row in expected if row["status"] == "completed"}
    told = summary.to_wire()
    due = {
        "orders": len(expected),
        "by_status": {"completed": len(completed), "failed": len(expected) - len(completed)},
        "revenue": revenue_of(submission.lines, completed),
    }
    different = {key: told[key] for key in due if told[key] != due[key]}
    if different:
        yield f"{name}: the summary says {different}, and must say {due}"


def mistakes_of_guests(stack: Stack) -> Iterator[str]:
    """What is wrong with orchestrations that faults brought in."""
    settings = ClientSettings.read(Environment(stack.environment))
    with open_session(settings, lambda _notice: None) as session:
        expected = {k: v for guest in stack.guests for k, v in guest.instances.items()}
        for name, due in expected.items():
            state = session.get(name, payloads=True)
            status = state.runtime_status
            if due is None:
                failure = state.failure_details.message if state.failure_details else ""
                yield from mistakes_of_hopeless(name, status, failure)
            elif status is not OrchestrationStatus.COMPLETED or state.get_output() != due:
                yield f"{name} is {status.name}: {state.serialized_output}"


def mistakes_of_hopeless(name: str, status: OrchestrationStatus, failure: str) -> Iterator[str]:
    """What is wrong with the end of what the scheduler itself had to give up."""
    if status is OrchestrationStatus.COMPLETED:
        yield f"{name} has completed, and nobody could have done it"
    elif status is not OrchestrationStatus.FAILED or _GIVEN_UP not in failure:
        yield f"{name} is {status.name}, and the scheduler has not given it up: {failure}"
