"""Public keys that sign JSON Web Tokens, as a JWKS document has them (RFC 7517).

Only keys of asymmetric algorithms are kept: a shared secret in the document, or a public key taken
for one, verifies nothing here.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from jwt import PyJWK
from jwt.exceptions import PyJWTError

from services.scheduler.auth.algorithms import NEEDED

_KEYS_MAX: Final = 200
_RSA_BITS_MIN: Final = 2_048


class BadKeysError(Exception):
    """A document holds no keys that can be used; the text says why."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys of one document, by key id and algorithm; a key without an id has the id None."""

    _keys: Mapping[tuple[str | None, str], PyJWK]
    _ids: frozenset[str | None]

    @classmethod
    def of(cls, document: bytes, algorithms: frozenset[str]) -> "KeySet":
        """The keys for these algorithms; raises `BadKeysError` where there is none."""
        try:
            members = json.loads(document)["keys"]
            listed = [member for member in members if isinstance(member, dict)]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise BadKeysError("it is no JWKS document") from error
        if len(listed) > _KEYS_MAX:
            raise BadKeysError(f"it holds more than {_KEYS_MAX} keys")
        keys = {
            (_id_of(member), algorithm): key
            for member in listed
            for algorithm in sorted(algorithms)
            if (key := _key(member, algorithm)) is not None
        }
        if not keys:
            raise BadKeysError(f"it holds no key for {', '.join(sorted(algorithms))}")
        return cls(keys, frozenset(key_id for key_id, _ in keys))

    def find(self, key_id: str | None, algorithm: str) -> PyJWK | None:
        """The key of a token; one that names none means the only one that there is."""
        if key_id is None and len(self._ids) == 1:
            (key_id,) = self._ids
        return self._keys.get((key_id, algorithm))


def _id_of(member: Mapping[str, Any]) -> str | None:
    key_id = member.get("kid")
    return key_id if isinstance(key_id, str) else None


def _key(member: dict[str, Any], algorithm: str) -> PyJWK | None:
    """A key for an algorithm, None where it is not meant for it or not good enough."""
    kind, curve = NEEDED[algorithm]
    is_of_kind = member.get("kty") == kind and curve in {None, member.get("crv")}
    is_for_it = member.get("alg", algorithm) == algorithm and member.get("use", "sig") == "sig"
    # Somebody's private key has no business here, and whoever published it has lost it.
    if not is_of_kind or not is_for_it or "d" in member:
        return None
    try:
        key = PyJWK(member, algorithm)
    except (PyJWTError, ValueError, TypeError):
        return None
    is_short = kind == "RSA" and key.key.key_size < _RSA_BITS_MIN
    return None if is_short else key
