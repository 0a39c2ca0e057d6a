"""Lets nobody through to a route who does not prove who they are."""

from collections.abc import Iterable
from functools import partial

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from services.scheduler.auth.gate import HEADER, Gate
from services.scheduler.auth.identity import Identity
from services.scheduler.auth.strangers import Strangers
from services.scheduler.errors import CallError
from services.scheduler.http.faults import fault_of
from services.scheduler.http.refusals import refused

_KEY = "scheduler.identity"
_AGAIN = "scheduler.identity_now"


class Authentication:
    """Puts who calls into the scope of a request, or answers 401.

    Whether they may do what they ask for is decided where that is known: by the route. `open_paths`
    are for whoever asks, and know nobody.
    """

    def __init__(self, app: ASGIApp, gate: Gate, open_paths: Iterable[str]) -> None:
        self._app = app
        self._gate = gate
        self._strangers = Strangers()
        self._open_paths = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands the request on with its caller."""
        if scope["type"] == "http" and scope["path"] not in self._open_paths:
            now = partial(self._gate.admit, Headers(scope=scope).getlist(HEADER))
            try:
                identity = await now()
            except CallError as error:
                code, client = fault_of(error).code, scope.get("client")
                peer = ":".join(map(str, client)) if client else "unknown"
                self._strangers.refused("a request was", error, code=code, peer=peer)
                await refused(error)(scope, receive, send)
                return
            scope = {**scope, _KEY: identity, _AGAIN: now}
        await self._app(scope, receive, send)


async def ask_again(scope: Scope) -> None:
    """Finds out once more who calls, whose request took long to come; raises `CallError`."""
    scope[_KEY] = await scope[_AGAIN]()


def identity_of(scope: Scope) -> Identity:
    """Who calls; a route that is open to everybody must not ask (it raises `KeyError`)."""
    identity: Identity = scope[_KEY]
    return identity
