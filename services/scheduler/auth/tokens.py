"""Static bearer tokens from a file: a line for each, `NAME ROLE HUBS TOKEN`.

The file is read again as soon as it has changed, so a line that is taken out is a token that is
refused from the next call on. One that cannot be used any more lets nobody in.
"""

import hashlib
import hmac
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.scheduler.auth.identity import EVERY_HUB, Identity, Role
from services.scheduler.auth.secret_files import (
    FileRefusedError,
    FileUnreadableError,
    Mark,
    mark_of,
    read_secret,
)
from services.scheduler.errors import AuthenticationAwayError, UnauthenticatedError

log = logging.getLogger(__name__)

# Every call is compared with every one of them.
TOKENS_MAX: Final = 1_000
_FIELDS: Final = 4
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_HUBS: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}(,[A-Za-z0-9][A-Za-z0-9_-]{0,63})*")
# Shorter ones can be guessed.
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]{32,4096}=*")
_DIGEST: Final = re.compile(r"sha256:([0-9a-fA-F]{64})")
_ROLES: Final = {role.value: role for role in Role}


@dataclass(frozen=True, slots=True)
class _Entry:
    digest: bytes
    identity: Identity


class TokenFile:
    """The tokens of a file. Raises `FileRefusedError` for one that cannot be used to begin with."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mark: Mark | None = mark_of(path)
        self._entries = _read(path)
        self._problem: str | None = None

    def verify(self, token: str) -> Identity:
        """Whose token it is; raises `UnauthenticatedError`, `AuthenticationAwayError`."""
        self._look()
        if self._problem is not None:
            # Whoever had a token must not keep it because the file that took it away is bad.
            raise AuthenticationAwayError
        digest = _digest(token)
        found = None
        # Never ends early: how long it takes tells nothing of what is in the file.
        for entry in self._entries:
            if hmac.compare_digest(entry.digest, digest):
                found = entry.identity
        if found is None:
            raise UnauthenticatedError("The token is not known")
        return found

    async def renewed(self) -> None:
        """There is nothing to wait for."""

    def _look(self) -> None:
        """Reads the file again if it is another one than before."""
        mark = None
        try:
            mark = mark_of(self._path)
            if mark == self._mark:
                return
            self._entries = _read(self._path)
        except FileUnreadableError as error:
            # Of no use to remember: what fails may be this machine, and not the file.
            mark = None
            self._refuse(str(error))
        except FileRefusedError as error:
            self._refuse(str(error))
        else:
            self._problem = None
            log.info("tokens read again: %s in %s", len(self._entries), self._path)
        # A bad one is not read for every call either.
        self._mark = mark

    def _refuse(self, problem: str) -> None:
        if problem != self._problem:
            log.error("nobody is let in: SCHEDULER_TOKEN_FILE: %s", problem)
        self._problem = problem


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _read(path: Path) -> tuple[_Entry, ...]:
    try:
        text = read_secret(path).decode()
    except UnicodeDecodeError as error:
        raise FileRefusedError(f"{path} is no UTF-8 text") from error
    entries = tuple(_entries(path, text))
    if not entries:
        raise FileRefusedError(f"{path} holds no token; a line is NAME ROLE HUBS TOKEN")
    if len(entries) > TOKENS_MAX:
        raise FileRefusedError(f"{path} holds more than {TOKENS_MAX} tokens")
    for what in ({entry.digest for entry in entries}, {entry.identity.name for entry in entries}):
        if len(what) != len(entries):
            raise FileRefusedError(f"{path} holds a name or a token twice")
    return entries


def _entries(path: Path, text: str) -> Iterator[_Entry]:
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            continue
        problem = _problem_of(fields)
        if problem is not None:
            raise FileRefusedError(f"{path}, line {number}: {problem}")
        name, role, hubs, token = fields
        found = _DIGEST.fullmatch(token)
        yield _Entry(
            bytes.fromhex(found[1]) if found else _digest(token),
            Identity(
                name=name,
                role=_ROLES[role],
                hubs=None if hubs == EVERY_HUB else frozenset(hubs.split(",")),
            ),
        )


def _problem_of(fields: list[str]) -> str | None:
    """What is wrong with a line; tokens are told of by no more than where they stand."""
    if len(fields) != _FIELDS:
        return "a line is NAME ROLE HUBS TOKEN, with blanks between them and nowhere else"
    name, role, hubs, token = fields
    if _NAME.fullmatch(name) is None:
        return "NAME must be letters, digits, . _ @ and -, at most 64"
    if role not in _ROLES:
        return f"ROLE must be one of {', '.join(_ROLES)}"
    if hubs != EVERY_HUB and _HUBS.fullmatch(hubs) is None:
        return "HUBS must be task hubs' names separated by commas (no blanks), or * for all"
    if _TOKEN.fullmatch(token) is None and _DIGEST.fullmatch(token) is None:
        return (
            "TOKEN must be 32 characters or more (letters, digits, - . _ ~ + /, = at the end),"
            " or sha256: and the 64 hexadecimal digits of its SHA-256"
        )
    return None
