"""Everything that must be true once the faults are over."""

from collections.abc import Iterator, Mapping
from typing import Final

from services.shared.sdk import new_client
from tests.chaos import books, ledger
from tests.chaos.faults.clock import let_the_hour_pass
from tests.chaos.leaks import Holding, holdings, leaks
from tests.chaos.load import Load, connection_of
from tests.chaos.stack import WORKERS, Stack
from tests.e2e.processes import wait_until

_WELL_SECONDS_MAX: Final = 60.0
_END_SECONDS_MAX: Final = 90.0
# What a vanished peer leaves is found by keepalive, and given back a while later.
_QUIET_SECONDS_MAX: Final = 30.0
# Ten deliveries, later and later, and the worker that has to come back between them.
_GIVEN_UP_SECONDS_MAX: Final = 240.0
_SHORT_SECONDS: Final = 1.0
_LISTED_MAX: Final = 10
_CALL_SECONDS: Final = 10
_DUE: Final = {
    "scheduler_work_items_waiting": 0,
    "scheduler_work_items_in_air": 0,
    "scheduler_waiters": 0,
    "scheduler_workers": WORKERS,
}


def problems(
    stack: Stack, load: Load, before: Mapping[str, Holding], *, is_short: bool
) -> Iterator[str]:
    """What is lost, wrong or left over; `before` is what the parts held before the faults.

    What never completes must be given up by the scheduler. After a run that `is_short` nobody waits
    for that, which takes a minute and more: it is terminated.
    """
    try:
        wait_until(stack.is_well, seconds=_WELL_SECONDS_MAX)
    except AssertionError:
        yield f"not well: {[name for name in stack.parts if not stack.serves(name)]}"
        return
    let_the_hour_pass(stack)
    _end_what_never_completes(stack, _SHORT_SECONDS if is_short else _GIVEN_UP_SECONDS_MAX)
    try:
        wait_until(lambda: not ledger.unfinished(stack.file), seconds=_END_SECONDS_MAX)
    except AssertionError:
        left = ledger.unfinished(stack.file)
        yield f"{len(left)} instances have not ended: {left[:_LISTED_MAX]}"
    for guest in stack.guests:
        guest.part.stop()
    yield from load.complaints
    yield from books.mistakes(stack.environment, load.submissions)
    yield from books.mistakes_of_guests(stack, were_ended=is_short)
    yield from ledger.mistakes(stack.file)
    yield from _left_over(stack)
    try:
        wait_until(lambda: not list(leaks(before, holdings(stack))), seconds=_QUIET_SECONDS_MAX)
    except AssertionError:
        yield from leaks(before, holdings(stack))


def _end_what_never_completes(stack: Stack, patience: float) -> None:
    hopeless = {
        name for guest in stack.guests for name, due in guest.instances.items() if due is None
    }
    try:
        wait_until(lambda: not hopeless & set(ledger.unfinished(stack.file)), seconds=patience)
    except AssertionError:
        with new_client(connection_of(stack), call_seconds=_CALL_SECONDS) as client:
            for name in hopeless & set(ledger.unfinished(stack.file)):
                client.terminate_orchestration(name)


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
