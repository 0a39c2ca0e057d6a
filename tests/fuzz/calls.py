"""Calls of every RPC as bytes, each to its end on a real scheduler."""

import random
from typing import Final

from tests.fuzz.messages import mutated
from tests.fuzz.renewed import RenewedScheduler
from tests.fuzz.scheduler import HUB, FuzzedScheduler
from tests.fuzz.seeds import METHODS, seeds_of
from tests.fuzz.torn import torn

_NAMES: Final = tuple(METHODS)
_HUBS: Final = (HUB, HUB, HUB, HUB, HUB, HUB, "other", "../x")
# The first letter of the tokens that answers of a method may have.
_LEASED: Final = {
    "CompleteActivityTask": "a",
    "AbandonTaskActivityWorkItem": "a",
    "CompleteOrchestratorTask": "i",
    "AbandonTaskOrchestratorWorkItem": "i",
    "CompleteEntityTask": "e",
    "AbandonTaskEntityWorkItem": "e",
}
# Which token an answer has: one of its kind, any, one that has had its answer, or its own.
_OF_KIND, _ANY, _USED = 5, 6, 7


class RpcCalls(RenewedScheduler):
    """A method's number, how it is called, and its request: any bytes are a call."""

    def __init__(self) -> None:
        super().__init__()
        self._used = ""

    def seeds(self) -> list[bytes]:
        """Valid calls of every method, answers with a token of their kind."""
        return [
            bytes((number, 1)) + seed.SerializeToString()
            for number, name in enumerate(_NAMES)
            for seed in seeds_of(name)
        ]

    def mutate(self, data: bytes, dice: random.Random) -> bytes:
        """Another request to the same method; now and then the same request to another."""
        number, flags, message = _taken_apart(data)
        if dice.random() < 0.05:
            return bytes((dice.randrange(len(_NAMES)), flags)) + message
        if dice.random() < 0.2:
            flags = dice.randrange(256) if dice.random() < 0.1 else dice.randrange(8)
        if dice.random() < 0.2:
            return bytes((number, flags)) + torn(message, dice)
        return bytes((number, flags)) + mutated(METHODS[_NAMES[number]], message, dice)

    def run(self, data: bytes) -> str:
        """Makes the call and gives what it came to; raises `Violation`."""
        number, flags, message = _taken_apart(data)
        name = _NAMES[number]
        scheduler = self.scheduler()
        hub = _HUBS[flags >> 3 & 7] if flags & 0x40 else HUB
        token = self._token(scheduler, name, flags & 7)
        if token:
            # In front, where it is found even if what follows cannot be read.
            field = METHODS[name].DESCRIPTOR.fields_by_name["completionToken"].number
            message = bytes((field << 3 | 2, len(token))) + token.encode() + message
        wire = scheduler.call(name, message, hub)
        self._used = token or self._used
        return f"{name} {wire.code.name if wire.code is not None else 'open'}"

    def _token(self, scheduler: FuzzedScheduler, name: str, choice: int) -> str:
        letter = _LEASED.get(name)
        if letter is None or choice == 0:
            return ""
        if choice == _USED:
            return self._used
        tokens = scheduler.tokens
        if choice <= _OF_KIND:
            tokens = [token for token in tokens if token.startswith(letter)]
        return tokens[0] if tokens else ""


def _taken_apart(data: bytes) -> tuple[int, int, bytes]:
    head = data[:2].ljust(2, b"\0")
    return head[0] % len(_NAMES), head[1], data[2:]
