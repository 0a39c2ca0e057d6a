"""Calls that go on for a while, and whether their callers still may: a token can be taken back."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from services.scheduler.auth.gate import HEADER, RECHECK_SECONDS, Gate
from services.scheduler.auth.identity import Identity
from services.scheduler.edge.access import ACCESS
from services.scheduler.edge.metadata import all_metadata_of, task_hub_of
from services.scheduler.edge.server import ServerCall
from services.scheduler.errors import AuthenticationAwayError, CallError

log = logging.getLogger(__name__)

_RECHECKED_AT_ONCE: Final = 200


class OpenCalls:
    """Those of one scheduler. `refuse` ends one with an error."""

    def __init__(self, gate: Gate, refuse: Callable[[str, CallError, ServerCall], None]) -> None:
        self._gate = gate
        self._refuse = refuse
        # What goes on, with the call that it ends with and the headers that let it in.
        self._tasks: dict[asyncio.Task[None], tuple[str, ServerCall, tuple[str, ...]]] = {}

    def add(self, name: str, call: ServerCall, task: asyncio.Task[None]) -> None:
        """A call, and the task that serves it until it ends."""
        headers = () if self._gate.is_open else tuple(all_metadata_of(call, HEADER))
        self._tasks[task] = (name, call, headers)
        task.add_done_callback(self._tasks.pop)

    async def recheck(self) -> None:
        """Asks again and again, until it is cancelled, where callers are asked at all."""
        while not self._gate.is_open:
            await asyncio.sleep(RECHECK_SECONDS)
            await self.ask_again()

    async def ask_again(self) -> None:
        """Ends those that are open, streams before all, whose token is no longer good.

        While nobody can tell, they go on; calls that come are refused.
        """
        # Many calls have one token: it is looked at once.
        found: dict[tuple[str, ...], Identity | CallError] = {}
        for number, (task, (name, call, headers)) in enumerate(list(self._tasks.items())):
            if number % _RECHECKED_AT_ONCE == 0:
                # There may be thousands, and everybody waits for them.
                await asyncio.sleep(0)
            if headers not in found:
                found[headers] = await self._now(headers)
            error = _objection(found[headers], name, call)
            if error is not None and not task.done():
                self._refuse(name, error, call)
                task.cancel()

    async def _now(self, headers: Sequence[str]) -> Identity | CallError:
        try:
            return await self._gate.admit(headers)
        except CallError as error:
            return error
        except Exception:
            # The others are asked all the same, and this one the next time.
            log.exception("whether a call may go on could not be told")
            return AuthenticationAwayError()


def _objection(found: Identity | CallError, name: str, call: ServerCall) -> CallError | None:
    """Why an open call must end; None while it may go on, or nobody can tell."""
    if isinstance(found, CallError):
        return None if isinstance(found, AuthenticationAwayError) else found
    try:
        found.check(task_hub_of(call), ACCESS[name])
    except CallError as error:
        return error
    return None
