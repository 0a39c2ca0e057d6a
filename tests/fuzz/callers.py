"""Who calls a scheduler that asks for tokens, and how each of them must be refused."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc

from services.scheduler.auth.gate import Gate
from services.scheduler.auth.identity import Access
from services.scheduler.auth.tokens import TokenFile

# The one task hub of a caller who may change things, but not everywhere.
ELSEWHERE: Final = "elsewhere"
_CONTRIBUTORS: Final = "c" * 40
_READERS: Final = "r" * 40
_OTHERS: Final = "o" * 40
_LINES: Final = (
    f"operator contributor * {_CONTRIBUTORS}",
    f"auditor reader * {_READERS}",
    f"neighbour contributor {ELSEWHERE} {_OTHERS}",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The `authorization` headers of a call, and whose they are."""

    headers: tuple[str, ...]
    # Nothing, for who is not known.
    accesses: frozenset[Access] = frozenset()
    # None for all task hubs.
    hub: str | None = None

    def refusal(self, hub: str | None, access: Access) -> grpc.StatusCode | None:
        """What their call is refused with; `hub` is None for what is about no task hub."""
        if not self.accesses:
            return grpc.StatusCode.UNAUTHENTICATED
        is_theirs = hub is None or self.hub is None or hub == self.hub
        is_allowed = is_theirs and access in self.accesses
        return None if is_allowed else grpc.StatusCode.PERMISSION_DENIED


_ALL: Final = frozenset(Access)
CONTRIBUTOR: Final = Caller(headers=(f"Bearer {_CONTRIBUTORS}",), accesses=_ALL)
READER: Final = Caller(headers=(f"bearer  {_READERS}",), accesses=frozenset({Access.READ}))
NEIGHBOUR: Final = Caller(headers=(f"Bearer {_OTHERS}",), accesses=_ALL, hub=ELSEWHERE)
# The first of them may do everything.
CALLERS: Final = (
    CONTRIBUTOR,
    READER,
    NEIGHBOUR,
    Caller(headers=()),
    Caller(headers=(f"Bearer {'u' * 40}",)),
    Caller(headers=(f"Basic {_CONTRIBUTORS}",)),
    Caller(headers=CONTRIBUTOR.headers * 2),
    Caller(headers=(f"Bearer {_CONTRIBUTORS[:-1]}",)),
)


def gate_in(folder: Path) -> Gate:
    """A gate that knows them, by a file in the folder."""
    file = folder / "tokens"
    file.touch(mode=0o600)
    file.write_text("\n".join(_LINES))
    return Gate(TokenFile(file))
