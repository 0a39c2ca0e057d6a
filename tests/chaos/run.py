"""One run: faults by their schedule, submissions meanwhile, and the books at the end."""

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.chaos import ledger
from tests.chaos.audit import problems
from tests.chaos.faults.table import KINDS, LANES
from tests.chaos.kinds import AT_ONCE, Scene
from tests.chaos.leaks import Holding, holdings
from tests.chaos.load import Load
from tests.chaos.report import Injected, Report
from tests.chaos.schedule import Planned, schedule
from tests.chaos.stack import Stack, running
from tests.e2e.processes import wait_until

_RECOVERY_SECONDS_MAX: Final = 90.0
_WARM_ORDERS: Final = 200
# In a run shorter than a minute suspects wait for less than the scheduler's own half a second: the
# last of the pauses is 64 times as long, and what never completes is to be given up.
_MINUTES_MIN: Final = 1.0
_SUSPECT_SECONDS: Final = 0.5
_SHORT_SUSPECT_SECONDS: Final = 0.05


def run(seed: int, minutes: float, folder: Path, say: Callable[[str], None]) -> Report:
    """A whole run; every problem stands in the report."""
    report = Report(seed=seed, minutes=minutes)
    began = time.monotonic()
    is_short = minutes < _MINUTES_MIN
    with running(folder, _SHORT_SUSPECT_SECONDS if is_short else _SUSPECT_SECONDS) as stack:
        load = Load(stack, seed, minutes * 60)
        before = _warm(stack, load)
        the_run = Run(stack=stack, load=load, report=report, say=say)
        the_run.say("the stack is up, faults begin")
        the_run.do_harm(seed, minutes * 60)
        the_run.say("no more faults, all clients answered")
        report.problems += problems(stack, load, before)
        the_run.say("the books are read")
        report.submissions = len(load.submissions)
        report.acknowledged = sum(one.acknowledged for one in load.submissions)
        report.orders = sum(len(one.lines) for one in load.submissions)
        report.starts = {name: part.starts for name, part in stack.parts.items()}
    report.seconds = time.monotonic() - began
    return report


def _warm(stack: Stack, load: Load) -> dict[str, Holding]:
    """What the parts hold once they have worked."""
    load.submit("warm", _WARM_ORDERS, 50)
    wait_until(lambda: not ledger.unfinished(stack.file))
    return holdings(stack)


class Run:
    """Follows the schedule, whatever becomes of a fault; each is watched until all is well."""

    def __init__(
        self, *, stack: Stack, load: Load, report: Report, say: Callable[[str], None]
    ) -> None:
        self._stack = stack
        self._load = load
        self._report = report
        self._say = say
        self._began = time.monotonic()
        self._watchers: list[threading.Thread] = []
        # By lane: when its last fault was over.
        self._harmed: dict[str, float] = {}

    def say(self, text: str) -> None:
        """Tells a person what happens, and when."""
        self._say(f"{time.monotonic() - self._began:6.1f} s  {text}")

    def do_harm(self, seed: int, seconds: float) -> None:
        """Submits and injects for so long; returns when all is recovered and answered."""
        plan = schedule(seed, seconds)
        lanes = [
            threading.Thread(
                target=self._follow,
                args=(
                    [planned for planned in plan if planned.lane == lane],
                    random.Random(f"{seed} {lane} dice"),
                ),
            )
            for lane in LANES
        ]
        self._load.start()
        for lane in lanes:
            lane.start()
        self._wait_until(seconds)
        for thread in lanes:
            thread.join()
        self._load.stop()
        for thread in self._watchers:
            thread.join()

    def _follow(self, plan: list[Planned], dice: random.Random) -> None:
        """The faults of one lane, one after the other."""
        for planned in plan:
            self._wait_until(planned.at)
            scene = Scene(stack=self._stack, load=self._load, lane=planned.lane, dice=dice)
            self._harmed[planned.lane] = time.monotonic()
            try:
                self._inflict(planned, scene)
            except Exception as error:  # noqa: BLE001 - any failure of a fault is the run's problem
                self._note(planned, None, repr(error))
                continue
            if KINDS[planned.kind].seconds != AT_ONCE:
                self._harmed[planned.lane] = time.monotonic()
            watcher = threading.Thread(target=self._watch, args=(planned, scene))
            self._watchers.append(watcher)
            watcher.start()

    def _inflict(self, planned: Planned, scene: Scene) -> None:
        kind = KINDS[planned.kind]
        self.say(f"{planned.lane}: {planned.kind}")
        try:
            kind.inject(scene)
            self._wait_until(planned.at + planned.seconds)
        finally:
            kind.recover(scene)

    def _watch(self, planned: Planned, scene: Scene) -> None:
        """Waits until all is well again: what is hit once more begins to recover anew."""
        kind = KINDS[planned.kind]
        harmed = None
        while harmed != self._harmed[planned.lane]:
            harmed = self._harmed[planned.lane]
            seconds = harmed + _RECOVERY_SECONDS_MAX - time.monotonic()
            try:
                wait_until(lambda: kind.is_over(scene), seconds=seconds)
            except AssertionError as error:
                problem = f"never well again, {error}"
            else:
                seconds = max(0.0, time.monotonic() - self._harmed[planned.lane])
                self.say(f"{planned.lane}: well after {seconds:.1f} s ({planned.kind})")
                self._note(planned, seconds, None)
                return
        self._note(planned, None, problem)

    def _note(self, planned: Planned, recovery: float | None, problem: str | None) -> None:
        if problem is not None:
            self._report.problems.append(f"{planned.kind} of {planned.lane}: {problem}")
        self._report.faults.append(
            Injected(kind=planned.kind, lane=planned.lane, recovery=recovery)
        )

    def _wait_until(self, moment: float) -> None:
        seconds = self._began + moment - time.monotonic()
        if seconds > 0:
            time.sleep(seconds)  # the schedule's own time: nothing announces it
