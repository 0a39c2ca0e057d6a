"""Fuzzes one target without looking into it: fast, and the same for the same seed."""

import contextlib
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from tests.fuzz.targets import TARGETS, Target
from tests.fuzz.violation import Finding, Violation

_POOL_MAX: Final = 500
# One input in so many is kept whatever it came to.
_KEPT_ONE_IN: Final = 200
# No input takes this long, however busy the machine is.
SECONDS_MAX: Final = 30.0


@dataclass(slots=True, kw_only=True)
class Tally:
    """What fuzzing a target came to."""

    target: str
    executions: int = 0
    seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    findings: dict[str, Finding] = field(default_factory=dict)

    def add(self, other: "Tally") -> None:
        """Adds another tally of the same target."""
        self.executions += other.executions
        self.seconds += other.seconds
        self.outcomes.update(other.outcomes)
        self.findings = other.findings | self.findings


def fuzz(target: str, *, executions: int, seconds: float, seed: str) -> Tally:
    """Runs inputs until there were so many, or the time is over."""
    dice = random.Random(f"{seed} {target}")
    tally = Tally(target=target)
    begun = time.monotonic()
    with _alarmed(), TARGETS[target][1]() as it:
        seeds = it.seeds()
        pool: list[bytes] = []
        for number in range(executions):
            if number < len(seeds):
                data = seeds[number]
            else:
                # Half of all inputs are close to good ones: what is bad is refused soon.
                data = dice.choice(pool if pool and dice.random() < 0.5 else seeds)
                # Some come as they are: calls live from those before them.
                if dice.random() < 0.8:
                    data = it.mutate(data, dice)
            signal.setitimer(signal.ITIMER_REAL, SECONDS_MAX)
            outcome = run(it, target, data, tally)
            signal.setitimer(signal.ITIMER_REAL, 0)
            if tally.outcomes[outcome] == 1 or dice.randrange(_KEPT_ONE_IN) == 0:
                _keep(pool, data, dice)
            tally.seconds = time.monotonic() - begun
            if tally.seconds > seconds:
                break
    return tally


def run(it: Target, target: str, data: bytes, tally: Tally) -> str:
    """Runs one input; whatever it raises is a finding."""
    tally.executions += 1
    try:
        outcome = it.run(data)
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        finding = Finding.of(target, data, error)
        tally.findings.setdefault(finding.key, finding)
        outcome = "found"
    tally.outcomes[outcome] += 1
    return outcome


@contextlib.contextmanager
def _alarmed() -> Iterator[None]:
    """Ends what does not end by itself when the timer rings, wherever it is."""

    def ring(*_interrupted: Any) -> None:
        raise Violation(f"no end within {SECONDS_MAX:g} s")

    # Whoever has set one for themselves, as pytest's timeout does, has it back in the end.
    left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
    before = signal.signal(signal.SIGALRM, ring)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, left)


def _keep(pool: list[bytes], data: bytes, dice: random.Random) -> None:
    """The pool holds so many; a new one then takes the place of another."""
    if len(pool) < _POOL_MAX:
        pool.append(data)
    else:
        pool[dice.randrange(len(pool))] = data
