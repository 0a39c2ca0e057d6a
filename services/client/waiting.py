"""Waits for an orchestration to end, showing how far it is.

One long call does the waiting, so the end is known at once; polling for progress is spaced by what
it costs, to stay below 2 % of the run.
"""

import math
import shlex
import time
from typing import Final

from durabletask.client import OrchestrationState
from rich.console import Console

from services.client.errors import BadInputError, StillRunningError, WaitInterruptedError
from services.client.progress import NOT_FINAL, progress_reader
from services.client.progress_view import progress_view
from services.client.session import Session
from services.shared.batches import Part
from services.shared.errors import SchedulerUnavailableError

_POLL_SECONDS_MIN: Final = 0.25
_POLL_SECONDS_MAX: Final = 30.0
# A poll of one millisecond is followed by 60 without one.
_POLL_SPACING: Final = 60


def check_timeout(timeout: float | None) -> None:
    """Raises `BadInputError` for a time that never comes, such as nan."""
    if timeout is not None and not math.isfinite(timeout):
        raise BadInputError(f"--timeout must be a number of seconds (got {timeout:g})")


def wait_for(
    session: Session,
    instance_id: str,
    part: Part | None,
    *,
    console: Console,
    timeout: float | None,
) -> OrchestrationState:
    """The state in which the orchestration ended, with its payloads; `part` is how it is cut.

    Raises `StillRunningError` after `timeout` seconds, `WaitInterruptedError` at Ctrl-C and
    `SchedulerUnavailableError` when it is silent for too long; each says how to come back.
    """
    come_back, goes_on = "", "is not waited for any more"
    if session.invocation is not None:
        come_back = f"come back with: {session.invocation} wait {shlex.quote(instance_id)}"
        goes_on = f"goes on without you; {come_back}"
    try:
        if not _watch(session, instance_id, part, console=console, timeout=timeout):
            raise StillRunningError(
                f"{instance_id} is still running after {timeout:g} s; {come_back}".rstrip("; ")
            )
        return session.get(instance_id, payloads=True)
    except KeyboardInterrupt:
        raise WaitInterruptedError(f"{instance_id} {goes_on}") from None
    except SchedulerUnavailableError as error:
        raise SchedulerUnavailableError(
            f"{error}\n{come_back}".rstrip(), retryable=False
        ) from error


def _watch(
    session: Session,
    instance_id: str,
    part: Part | None,
    *,
    console: Console,
    timeout: float | None,
) -> bool:
    reader = progress_reader(session, instance_id, part)
    deadline = None if timeout is None else time.monotonic() + timeout
    pause = _POLL_SECONDS_MIN
    with progress_view(console, instance_id) as show:
        while True:
            left = pause if deadline is None else min(pause, deadline - time.monotonic())
            if left <= 0:
                return False
            if session.is_finished_within(instance_id, left):
                return True
            started = time.monotonic()
            show(reader.read())
            cost = time.monotonic() - started
            pause = min(max(cost * _POLL_SPACING, _POLL_SECONDS_MIN), _POLL_SECONDS_MAX)


def is_final(state: OrchestrationState) -> bool:
    """Whether the orchestration has ended."""
    return state.runtime_status not in NOT_FINAL
