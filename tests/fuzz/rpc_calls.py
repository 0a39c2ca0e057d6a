"""Calls of every RPC as bytes, each to its end on a real scheduler."""

import random
from typing import Final

from tests.fuzz.answers import ANSWERED, TOKEN_CHOICES, token_for
from tests.fuzz.messages import mutated
from tests.fuzz.renewed import RenewedScheduler
from tests.fuzz.scheduler import OPEN, Make
from tests.fuzz.seeds import METHODS, seeds_of
from tests.fuzz.torn import torn

NAMES: Final = tuple(METHODS)
# A method's number, which token an answer has, the task hub, who calls, and how long they wait.
_HEAD_BYTES: Final = 5
# In turns of the loop; more is as long as it takes.
_PATIENCE_MAX: Final = 12


class RpcCalls(RenewedScheduler):
    """How a method is called, and its request: any bytes are a call."""

    def __init__(self, make: Make = OPEN) -> None:
        super().__init__(make)
        self._used = ""

    def seeds(self) -> list[bytes]:
        """Valid calls of every method, answers with a token of their kind."""
        return [
            bytes((number, 1, 0, 0, 255)) + seed.SerializeToString()
            for number, name in enumerate(NAMES)
            for seed in seeds_of(name)
        ]

    def mutate(self, data: bytes, dice: random.Random) -> bytes:
        """Another request to the same method; now and then the same request to another."""
        (number, token, _hub, _caller, _patience), message = taken_apart(data)
        if dice.random() < 0.2:
            token = dice.randrange(256)
        patience = dice.randrange(_PATIENCE_MAX) if dice.random() < 0.05 else 255
        head = (token, *self.mutate_head(dice), patience)
        if dice.random() < 0.05:
            return bytes((dice.randrange(len(NAMES)), *head)) + message
        if dice.random() < 0.2:
            return bytes((number, *head)) + torn(message, dice)
        return bytes((number, *head)) + mutated(METHODS[NAMES[number]], message, dice)

    def run(self, data: bytes) -> str:
        """Makes the call and gives what it came to; raises `Violation`."""
        (number, choice, hub, caller, patience), message = taken_apart(data)
        name = NAMES[number]
        with self.scheduler() as scheduler:
            token = None
            if name in ANSWERED:
                dice = random.Random(choice)
                chosen = TOKEN_CHOICES[choice % len(TOKEN_CHOICES)]
                token = token_for(name, chosen, scheduler.tokens, self._used, dice)
            if token is not None:
                # In front, where it is found even if what follows cannot be read.
                field = METHODS[name].DESCRIPTOR.fields_by_name["completionToken"].number
                message = bytes((field << 3 | 2, len(token))) + token.encode() + message
                self._used = token
            named = self.hub_of(hub, scheduler)
            wire = scheduler.call(
                name,
                message,
                named,
                self.caller_of(caller),
                patience if patience < _PATIENCE_MAX else None,
            )
        return f"{name} {wire.code.name if wire.code is not None else 'open'}"


def taken_apart(data: bytes) -> tuple[bytes, bytes]:
    """How a call is made, and its request."""
    head = data[:_HEAD_BYTES].ljust(_HEAD_BYTES, b"\0")
    return bytes((head[0] % len(NAMES), *head[1:])), data[_HEAD_BYTES:]
