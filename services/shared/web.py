"""What guards a port that a browser can reach, and paths whose segments hold any character.

Without tokens whoever reaches the port may use it. Another site's page, open in the same browser,
reaches it too, so these refuse what only such a page would send.
"""

import ipaddress
import logging
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote, urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

log = logging.getLogger(__name__)

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_NAME_WITHOUT_DOTS: Final = re.compile(r"[a-z0-9_-]+")
# What containers call the machine that they run on.
_OF_ENGINES: Final = frozenset({"host.docker.internal", "host.containers.internal"})


class EncodedPaths:
    """Routes on the path as it was sent: `/` inside an instance id stays `%2F`.

    Endpoints read their parameters with `segment`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands the request on with its encoded path."""
        if scope["type"] == "http" and "raw_path" in scope:
            scope = {**scope, "path": scope["raw_path"].decode("ascii", "replace")}
        await self._app(scope, receive, send)


def segment(value: str) -> str:
    """A path parameter as it was meant."""
    return unquote(value)


class Guard:
    """Refuses hosts that are not ours, and changes that another site's page asks for.

    A page that has its own name resolve to this machine (DNS rebinding) sends that name as `Host`;
    it has dots, and is no address. `hosts` are further names that are ours; `open_paths` are read
    under any name, by probes that use one of their own.
    """

    def __init__(
        self, app: ASGIApp, hosts: Iterable[str] = (), open_paths: Iterable[str] = ()
    ) -> None:
        self._app = app
        self._hosts = frozenset(host.lower().rstrip(".") for host in hosts)
        self._open_paths = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands the request on, or answers 403."""
        reason = None
        if scope["type"] == "http":
            reason = self._refusal(scope["method"], scope["path"], Headers(scope=scope))
        if reason is None:
            await self._app(scope, receive, send)
            return
        log.info("refused: %s", reason)
        error = {"code": "PERMISSION_DENIED", "message": reason}
        await JSONResponse({"error": error}, status_code=403)(scope, receive, send)

    def _refusal(self, method: str, path: str, headers: Headers) -> str | None:
        if method in _SAFE_METHODS and path in self._open_paths:
            return None
        host = headers.get("host", "")
        if not self._is_ours(host):
            return f"The host {host[:100]!r} is not one that is served here"
        if method in _SAFE_METHODS:
            return None
        origin = headers.get("origin")
        # Without the scheme: TLS may end before it reaches us.
        if origin is not None and origin.lower().partition("://")[2] != host.lower():
            return f"The origin {origin[:100]!r} may not change anything here"
        if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
            return "A page of another site may not change anything here"
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        if name in self._hosts or name in _OF_ENGINES or name.endswith(".localhost"):
            return True
        return _NAME_WITHOUT_DOTS.fullmatch(name) is not None or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
