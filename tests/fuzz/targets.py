"""What is fuzzed, by name."""

import random
from collections.abc import Callable, Mapping
from typing import Final, Protocol, Self

from tests.fuzz.backups import Backups
from tests.fuzz.bearers import BearerTokens, TokenFiles
from tests.fuzz.http_calls import HttpCalls
from tests.fuzz.hub_files import HubFiles
from tests.fuzz.rpc_calls import RpcCalls
from tests.fuzz.scheduler import BOUNDED, GUARDED
from tests.fuzz.texts import TEXTS_READ


class Target(Protocol):
    """Something that takes any bytes. Use it as a context manager."""

    def __enter__(self) -> Self:
        """Opens what it needs."""

    def __exit__(self, *_error: object) -> None:
        """Closes it again."""

    def seeds(self) -> list[bytes]:
        """Inputs that are good."""

    def mutate(self, data: bytes, dice: random.Random) -> bytes:
        """An input like another one."""

    def run(self, data: bytes) -> str:
        """Takes an input and gives what it came to, in few words; raises `Violation`."""


# The share of a run that each is worth, and how it is made.
TARGETS: Final[Mapping[str, tuple[int, Callable[[], Target]]]] = {
    "rpc": (24, RpcCalls),
    "rpc-tokens": (10, lambda: RpcCalls(GUARDED)),
    "rpc-bounds": (10, lambda: RpcCalls(BOUNDED)),
    "http": (12, HttpCalls),
    "http-tokens": (6, lambda: HttpCalls(GUARDED)),
    "http-bounds": (4, lambda: HttpCalls(BOUNDED)),
    "backups": (2, Backups),
    "hub-files": (1, HubFiles),
    "bearers": (5, BearerTokens),
    "token-files": (2, TokenFiles),
    **{name: (5, make) for name, make in TEXTS_READ.items()},
}
