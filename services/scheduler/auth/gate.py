"""The one way in: from the `authorization` of a call to who calls.

Knows neither gRPC nor HTTP; both hand in what stood in the header. No text that leaves here holds
any of it.
"""

import re
from collections.abc import Sequence
from typing import Final, Protocol

from services.scheduler.auth.identity import ANYONE, Identity
from services.scheduler.errors import (
    AuthenticationAwayError,
    KeysWantedError,
    UnauthenticatedError,
)

HEADER: Final = "authorization"
# What goes on for longer than this, or takes longer to come, is asked again whether it may.
RECHECK_SECONDS: Final = 1.0
# RFC 6750; above any token that is real, and far below what a header may hold.
_BEARER: Final = re.compile(r"(?i:bearer) +([A-Za-z0-9._~+/-]+=*)")
_HEADER_CHARS_MAX: Final = 16_384


class Verifier(Protocol):
    """What knows the tokens."""

    def verify(self, token: str) -> Identity:
        """Whose token it is, without waiting for anything.

        Raises `UnauthenticatedError`, `AuthenticationAwayError` where that cannot be told now, and
        `KeysWantedError` where it can after `renewed`.
        """

    async def renewed(self) -> None:
        """Waits, not long, for what `verify` was missing; never raises."""


class Gate:
    """Lets callers in, all of them where there is no verifier."""

    def __init__(self, verifier: Verifier | None = None) -> None:
        self._verifier = verifier

    @property
    def is_open(self) -> bool:
        """Whether nobody is asked for a token."""
        return self._verifier is None

    def identify(self, headers: Sequence[str]) -> Identity:
        """Who calls, by all `authorization` headers of the call; raises as `Verifier.verify`."""
        if self._verifier is None:
            return ANYONE
        return self._verifier.verify(_token_of(headers))

    async def renewed(self) -> None:
        """As `Verifier.renewed`."""
        if self._verifier is not None:
            await self._verifier.renewed()

    async def admit(self, headers: Sequence[str]) -> Identity:
        """As `identify`, after what that was missing has come, or could not."""
        try:
            return self.identify(headers)
        except KeysWantedError:
            await self.renewed()
        try:
            return self.identify(headers)
        except KeysWantedError as error:
            # Still on their way: whose token it is cannot be told.
            raise AuthenticationAwayError from error


def _token_of(headers: Sequence[str]) -> str:
    if not headers:
        raise UnauthenticatedError("The call carries no token (authorization: Bearer ...)")
    if len(headers) > 1:
        raise UnauthenticatedError("The call carries more than one authorization")
    found = _BEARER.fullmatch(headers[0].strip()) if len(headers[0]) <= _HEADER_CHARS_MAX else None
    if found is None:
        raise UnauthenticatedError("The authorization is no bearer token")
    return found[1]
