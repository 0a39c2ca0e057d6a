"""Everything that must be true once the faults are over."""

from collections.abc import Iterator, Mapping
from typing import Final

from services.scheduler.dispatch.suspects import DELIVERIES_MAX, SUSPECT_DELIVERIES
from services.shared.sdk import new_client
from tests.chaos import books, ledger
from tests.chaos.exercise import Ports, exercise
from tests.chaos.faults.clock import let_the_hour_pass
from tests.chaos.leaks import Holding, gathered, holdings, leaks
from tests.chaos.load import Load, connection_of
from tests.chaos.stack import DASHBOARD_PORT, GRPC_PORT, HTTP_PORT, WORKERS, Stack
from tests.e2e.processes import wait_until

_WELL_SECONDS_MAX: Final = 60.0
_END_SECONDS_MAX: Final = 90.0
# What a vanished peer leaves is found by keepalive, and given back a while later.
_QUIET_SECONDS_MAX: Final = 30.0
# A worker that has to come back for each delivery of what ends it, on a busy machine.
_COMEBACK_SECONDS_MAX: Final = 10.0
_LISTED_MAX: Final = 10
_PORTS: Final = Ports(grpc=GRPC_PORT, http=HTTP_PORT, dashboard=DASHBOARD_PORT)
_EXERCISE_ORDERS: Final = 600
_CALL_SECONDS: Final = 10
_DUE: Final = {
    "scheduler_work_items_waiting": 0,
    "scheduler_work_items_in_air": 0,
    "scheduler_waiters": 0,
    "scheduler_workers": WORKERS,
}


def problems(stack: Stack, load: Load, before: Mapping[str, Holding]) -> Iterator[str]:
    """What is lost, wrong or left over; `before` is what the parts held before the faults."""
    try:
        wait_until(stack.is_well, seconds=_WELL_SECONDS_MAX)
    except AssertionError:
        yield f"not well: {[name for name in stack.parts if not stack.serves(name)]}"
        return
    let_the_hour_pass(stack)
    _wait_until_given_up(stack)
    try:
        wait_until(lambda: not ledger.unfinished(stack.file), seconds=_END_SECONDS_MAX)
    except AssertionError:
        left = ledger.unfinished(stack.file)
        yield f"{len(left)} instances have not ended: {left[:_LISTED_MAX]}"
    for guest in stack.guests:
        guest.part.stop()
    yield from _gathered(stack, load)
    yield from load.complaints
    yield from books.mistakes(stack.environment, load.submissions)
    yield from books.mistakes_of_guests(stack)
    yield from ledger.mistakes(stack.file)
    yield from _left_over(stack)
    try:
        wait_until(lambda: not list(leaks(before, holdings(stack))), seconds=_QUIET_SECONDS_MAX)
    except AssertionError:
        yield from leaks(before, holdings(stack))


def _wait_until_given_up(stack: Stack) -> None:
    """The scheduler has to give up what never completes; the books say so where it has not.

    It is terminated then, so that the rest can be looked at.
    """
    # The pauses between deliveries, each twice the one before; a stream must be as old again.
    pauses = 2 * stack.suspect_seconds * 2 ** (DELIVERIES_MAX - SUSPECT_DELIVERIES)
    hopeless = {
        name for guest in stack.guests for name, due in guest.instances.items() if due is None
    }
    try:
        wait_until(
            lambda: not hopeless & set(ledger.unfinished(stack.file)),
            seconds=pauses + DELIVERIES_MAX * _COMEBACK_SECONDS_MAX,
        )
    except AssertionError:
        with new_client(connection_of(stack), call_seconds=_CALL_SECONDS) as client:
            for name in hopeless & set(ledger.unfinished(stack.file)):
                client.terminate_orchestration(name)


def _gathered(stack: Stack, load: Load) -> Iterator[str]:
    """What stays of what comes and goes, in processes that have done all of it before."""
    _exercise(stack, load, "exercise-1")
    before = holdings(stack)
    _exercise(stack, load, "exercise-2")
    try:
        wait_until(lambda: not list(gathered(before, holdings(stack))), seconds=_QUIET_SECONDS_MAX)
    except AssertionError:
        yield from gathered(before, holdings(stack))


def _exercise(stack: Stack, load: Load, name: str) -> None:
    exercise(_PORTS, f"{name}-idle")
    load.submit(name, _EXERCISE_ORDERS, 50)
    wait_until(lambda: not ledger.unfinished(stack.file), seconds=_END_SECONDS_MAX)


def _left_over(stack: Stack) -> Iterator[str]:
    try:
        wait_until(
            lambda: all(stack.metric(name) == number for name, number in _DUE.items()),
            seconds=_QUIET_SECONDS_MAX,
        )
    except AssertionError:
        yield from (
            f"{name} is {stack.metric(name):g}, and must be {number}"
            for name, number in _DUE.items()
            if stack.metric(name) != number
        )
