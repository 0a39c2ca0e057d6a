"""JSON Web Tokens: whose they are, by signature, issuer, audience, times and claims.

Of the claims, one lists roles (`reader`, `contributor`) and one lists task hubs (names, or `*`);
both are a list, or one text with blanks between. The greatest role counts; who has none, or no
hub, is let in nowhere.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import jwt
from jwt.exceptions import (
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAudienceError,
    InvalidIssuerError,
    InvalidSignatureError,
    MissingRequiredClaimError,
    PyJWTError,
)

from services.scheduler.auth.identity import EVERY_HUB, Identity, Role
from services.scheduler.auth.key_sources import KeySource
from services.scheduler.auth.keys import KeySet
from services.scheduler.auth.rules import JwtRules
from services.scheduler.errors import (
    AuthenticationAwayError,
    ForbiddenError,
    KeysWantedError,
    UnauthenticatedError,
)

# A client sends the same one for an hour: its signature need not be computed for each call.
_REMEMBERED_MAX: Final = 1_000
_EXPIRED: Final = "The token has expired"
# By the nearest class; the library's own texts quote what they refuse.
_TEXTS: Final[Mapping[type[PyJWTError], str]] = {
    ExpiredSignatureError: _EXPIRED,
    ImmatureSignatureError: "The token is not valid yet",
    InvalidAudienceError: "The token is for another audience",
    InvalidIssuerError: "The token is of another issuer",
    InvalidSignatureError: "The token's signature is wrong",
    MissingRequiredClaimError: "The token lacks one of the claims exp, iss and aud",
    PyJWTError: "The token is no valid JSON Web Token",
}


@dataclass(frozen=True, slots=True)
class _Known:
    identity: Identity
    expires_at: float
    # Those that verified it: with others, it is verified again.
    keys: KeySet


class JsonWebTokens:
    """Verifies tokens with the keys of a source."""

    def __init__(
        self,
        rules: JwtRules,
        source: KeySource,
        *,
        seconds: Callable[[], float] = time.time,
    ) -> None:
        """`seconds` is the time of day, as tokens have it."""
        self._rules = rules
        self._source = source
        self._seconds = seconds
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    def verify(self, token: str) -> Identity:
        """Whose token it is; raises as `Verifier.verify`, and `ForbiddenError` without a role."""
        keys = self._source.keys
        if keys is None:
            if self._source.may_renew:
                raise KeysWantedError("The signing keys are not known yet")
            raise AuthenticationAwayError
        digest = hashlib.sha256(token.encode()).digest()
        known = self._known.get(digest)
        if known is not None and known.keys is keys:
            if self._seconds() >= known.expires_at:
                del self._known[digest]
                raise UnauthenticatedError(_EXPIRED)
            return known.identity
        known = self._verified(token, keys)
        self._known[digest] = known
        self._known.move_to_end(digest)
        if len(self._known) > _REMEMBERED_MAX:
            self._known.popitem(last=False)
        return known.identity

    async def renewed(self) -> None:
        """Waits for other keys."""
        await self._source.renewed()

    def _verified(self, token: str, keys: KeySet) -> _Known:
        rules = self._rules
        try:
            header = jwt.get_unverified_header(token)
            algorithm, key_id = header.get("alg"), header.get("kid")
            if not isinstance(algorithm, str) or algorithm not in rules.algorithms:
                raise UnauthenticatedError("The token's algorithm is not allowed")
            key = keys.find(key_id, algorithm)
            if key is None:
                self._refuse_unknown()
            claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                issuer=rules.issuer,
                audience=rules.audience,
                leeway=rules.leeway_seconds,
                options={"require": ["exp", "iss", "aud"], "enforce_minimum_key_length": True},
            )
            expires_at = float(claims["exp"]) + rules.leeway_seconds
        except PyJWTError as error:
            # Without its cause: that may hold the token, and a log would show it.
            raise UnauthenticatedError(_text_of(error)) from None
        except (ValueError, TypeError, OverflowError, RecursionError):
            raise UnauthenticatedError(_TEXTS[PyJWTError]) from None
        return _Known(self._identity(claims), expires_at, keys)

    def _refuse_unknown(self) -> NoReturn:
        text = "The key that signed the token is not known"
        if self._source.may_renew:
            raise KeysWantedError(text)
        raise AuthenticationAwayError if self._source.is_away else UnauthenticatedError(text)

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        given = {role.lower() for role in _words(claims.get(self._rules.roles_claim))}
        roles = [role for role in (Role.CONTRIBUTOR, Role.READER) if role.value in given]
        if not roles:
            raise ForbiddenError(
                f"The token's claim {self._rules.roles_claim} holds neither reader nor contributor"
            )
        hubs = frozenset(_words(claims.get(self._rules.hubs_claim)))
        subject = claims.get("sub")
        return Identity(
            name=subject[:64] if isinstance(subject, str) else "unnamed",
            role=roles[0],
            hubs=None if EVERY_HUB in hubs else hubs,
        )


def _words(claim: object) -> list[str]:
    if isinstance(claim, str):
        return claim.split()
    return [word for word in claim if isinstance(word, str)] if isinstance(claim, list) else []


def _text_of(error: PyJWTError) -> str:
    return next(_TEXTS[kind] for kind in type(error).__mro__ if kind in _TEXTS)
