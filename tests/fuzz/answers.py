"""Workers' answers: the tokens that they have, and what each may do."""

import random
import re
from collections.abc import Sequence
from typing import Any, Final

from google.protobuf.message import DecodeError

from services.scheduler.dispatch.items import Kind
from services.scheduler.engine.protos import pb
from services.scheduler.hub.opened import OpenHub
from tests.fuzz.seeds import METHODS, seeds_of
from tests.fuzz.state import Allowed, State

# What each of them answers.
ANSWERED: Final = {
    "CompleteActivityTask": Kind.ACTIVITY,
    "AbandonTaskActivityWorkItem": Kind.ACTIVITY,
    "CompleteOrchestratorTask": Kind.ORCHESTRATION,
    "AbandonTaskOrchestratorWorkItem": Kind.ORCHESTRATION,
    "CompleteEntityTask": Kind.ENTITY,
    "AbandonTaskEntityWorkItem": Kind.ENTITY,
}
# Which token an answer has; a number is the place of a choice.
TOKEN_CHOICES: Final = (
    "its own", "kind", "kind", "kind", "kind", "kind", "any", "used", "made up", "made up",
)  # fmt: skip
# What follows the row in a token: the run of the scheduler, and a number.
_PARTS: Final = re.compile(r"([a-z])(\d+)\.(\d+)-([^-]*)-(\d+)")


def token_for(
    name: str, choice: str, tokens: Sequence[str], used: str, dice: random.Random
) -> str | None:
    """A token for an answer; None leaves it the one that it has. `tokens` are those of leases."""
    letter = ANSWERED[name].value[0]
    if choice == "its own":
        return None
    if choice == "used":
        return used
    if choice == "made up":
        return _made_up(dice.choice(tokens) if tokens else "i1.1-00000000-1", dice)
    if choice == "kind":
        tokens = [token for token in tokens if token.startswith(letter)]
    return tokens[0] if tokens else None


def _made_up(token: str, dice: random.Random) -> str:
    """One like a lease's, which nobody has been given."""
    found = _PARTS.fullmatch(token)
    if found is None:
        return token[:-1]
    parts = list(found.groups())
    at = dice.randrange(len(parts))
    if at == 0:
        parts[0] = dice.choice([letter for letter in "aiex" if letter != parts[0]])
    elif at == 3:
        parts[3] = parts[3][::-1] + "0"
    else:
        # Too large for a row too: tokens are what callers say.
        parts[at] = dice.choice(("0" + parts[at], str(int(parts[at]) + 1_000), "9" * 30))
    letter, instance, seq, run, number = parts
    return dice.choice(("", "", "", " ")) + f"{letter}{instance}.{seq}-{run}-{number}"


def friendly_answer(token: str, dice: random.Random) -> tuple[str, bytes]:
    """A good answer under a token: its method, and the request."""
    name = next(name for name, kind in ANSWERED.items() if kind.value[0] == token[0])
    answer = dice.choice(seeds_of(name))
    if ANSWERED[name] is Kind.ACTIVITY:
        # It may be of any instance.
        answer = pb.ActivityResponse(taskId=answer.taskId, result=answer.result)
    return name, with_token(answer, token)


def with_token(answer: Any, token: str) -> bytes:
    """A request like another one, with this token."""
    made = type(answer)()
    made.CopyFrom(answer)
    made.completionToken = token
    encoded: bytes = made.SerializeToString()
    return encoded


def allowed_of(name: str, message: bytes, hub: OpenHub | None, state: State, named: str) -> Allowed:
    """What an answer may do to the task hub that it names, whatever it is answered."""
    if hub is None:
        return Allowed(hub=named)
    is_abandoned = name.startswith("Abandon")
    dispatcher = hub.dispatcher
    try:
        token: str = METHODS[name].FromString(message).completionToken
    except DecodeError:
        if is_abandoned:
            return Allowed(hub=hub.name)
        # What cannot be read gives its lease back, and the third time fails its work.
        held = [
            token
            for stream in dispatcher.streams
            for token in stream.leases
            if token.encode() in message
        ]
        return Allowed(hub=hub.name, rows=bool(held), token=held[0] if held else "")
    lease = dispatcher.lease_of(token)
    if is_abandoned:
        # Whoever has room again is given what is next, and what that waits for in vain is dropped.
        return Allowed(hub=hub.name, rows=lease is not None, token="" if lease is None else token)
    kind = ANSWERED[name]
    if lease is not None and lease.work.kind is not kind:
        lease = None
    may_decide = lease is not None and dispatcher.is_current(lease)
    if kind is Kind.ACTIVITY:
        # A result counts while its task is open, whoever has the lease.
        found = re.match(r"a(\d+)\.(\d+)-", token)
        may_decide = found is not None and state.has_activity(hub, int(found[1]), int(found[2]))
    return Allowed(hub=hub.name, rows=may_decide, token="" if lease is None else token)
