"""One simulated run: a seed decides what everybody does, and when the scheduler dies."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from services.scheduler.engine.status import Status
from tests.simulation import cargo
from tests.simulation.calls import Calls
from tests.simulation.client import Client
from tests.simulation.clock import ManualClock, VirtualLoop
from tests.simulation.crew import Crew
from tests.simulation.invariants import Invariants
from tests.simulation.programs import EVENTS, plans
from tests.simulation.scheduler import Scheduler, logs_to
from tests.simulation.tables import Picture, picture
from tests.simulation.violation import Violation

# Where it is there, a run costs no disk its time.
MEMORY: Final = Path("/dev/shm")  # noqa: S108 - each run makes a directory of its own in it
_STEPS: Final = (40, 90)
_STARTED_FIRST: Final = 4
_CRASHES_MAX: Final = 12
_GARBLED_MAX: Final = 4
_TICKS: Final = (0, 0, 1, 2, 6)
# Long enough for a commit and everything that it sets going.
_SETTLED_TICKS: Final = 8
_PAUSES: Final = (0.0, 0.2, 6.0, 61.0, 3_700.0)
_LOOKS_MAX: Final = 5_000
_ROUNDS_MAX: Final = 100
_EVENTS_A_ROUND: Final = 3
_TORN_BYTES_MAX: Final = 8_192
_TRACE_LINES: Final = 60


def run_seed(seed: int, directory: Path, tell: Callable[[str], None] | None = None) -> list[str]:
    """Runs a seed in an empty directory; gives its trace. Raises `Violation` with how to replay."""
    run = _Run(seed, directory, tell)
    try:
        with logs_to(run.warned), asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(run.play())
    except Exception as error:
        tail = "\n".join(run.trace[-_TRACE_LINES:])
        raise Violation(
            f"seed {seed}: {error}\n\n{tail}\n\nReplay it: make sim SEED={seed}"
        ) from error
    return run.trace


class _Run:
    def __init__(
        self, seed: int, directory: Path, tell: Callable[[str], None] | None = None
    ) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - a seed must give the same run again
        self._directory = directory
        self._tell = tell
        self._broken: list[str] = []
        self.trace: list[str] = []

    def say(self, text: str) -> None:
        """One line of the trace."""
        line = f"{asyncio.get_running_loop().time():12.6f}  {text}"
        self.trace.append(line)
        if self._tell is not None:
            self._tell(line)

    def warned(self, text: str, error: BaseException | None) -> None:
        """What the scheduler warns of; an exception that it had to catch is a bug."""
        self.say(f"  scheduler: {text}")
        kind, _space, rest = text.partition(" ")
        if kind == "entity" and "is given up" in rest:
            self._client.ledger.given_up.add(rest.split()[0])
        if error is not None:
            self._broken.append(f"{text}: {error!r}")

    def _set_up(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._on_unhandled)
        clock = ManualClock(loop)
        self._clock = clock
        self._calls = Calls(self.say)
        self._scheduler = Scheduler(self._directory, clock.now, self._fresh_id)
        self._invariants = Invariants()
        self._client = Client(self._rng, clock, self._scheduler, self._calls)
        drawn = plans(self._rng)
        for plan in drawn:
            self.say(str(plan))
        self._client.programs = [plan.name for plan in drawn]
        self._crew = Crew(
            rng=self._rng,
            scheduler=self._scheduler,
            calls=self._calls,
            plans=drawn,
            is_inside=self._is_inside,
            tell=self.say,
        )

    def _fresh_id(self) -> str:
        return f"{self._rng.getrandbits(128):032x}"

    def _is_inside(self, section: str, entity_id: str) -> bool:
        now = picture(self._scheduler.look)
        return self._invariants.is_inside(now, section, entity_id)

    def _on_unhandled(self, _loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        self._broken.append(f"{context.get('message')}: {context.get('exception')!r}")

    async def play(self) -> None:
        """The whole run: disorder, then order, then rest."""
        self._set_up()
        try:
            await self._play()
        finally:
            self._calls.lose()
            self._crew.lose_scheduler()
            self._scheduler.close()
        self._check_alive()

    async def _play(self) -> None:
        self._crew.connect_good()
        for _ in range(self._rng.randint(0, _STARTED_FIRST)):
            self._client.start()
        # A run that does everything a little meets less than one that does a few things a lot.
        acts, weights = zip(*self._steps(), strict=True)
        lifted = [weight * self._rng.choice((0.1, 1, 1, 4)) for weight in weights]
        for _ in range(self._rng.randint(*_STEPS)):
            slow = self._rng.choices(acts, lifted)[0]()
            if slow is not None:
                await slow
            await self._ticks(self._rng.choice(_TICKS))
            self._check_alive()
        await self._end_everything()
        await self._check_rest()

    def _steps(self) -> list[tuple[Callable[[], Coroutine[Any, Any, None] | None], float]]:
        client, crew = self._client, self._crew
        return [
            (crew.answer, 40),
            (crew.answer_much, 10),
            (crew.connect, 6),
            (crew.disconnect, 3),
            (crew.fall_silent, 1),
            (crew.abandon, 2),
            (crew.answer_twice, 3),
            (crew.answer_late, 5),
            (crew.answer_nonsense, 2),
            (crew.answer_garbled, 2),
            (client.start, 12),
            (client.restart, 2),
            (client.raise_event, 5),
            (client.signal, 4),
            (client.suspend, 3),
            (client.resume, 3),
            (client.terminate, 2),
            (client.skip_graceful, 1),
            (client.rewind, 4),
            (client.purge, 2),
            (client.purge_old, 1),
            (client.clean_entities, 1),
            (lambda: client.wait(self.say), 2),
            (lambda: client.query(self.say), 1),
            (self._let_time_pass, 10),
            (self._set_clock_forward, 1),
            (self._checkpoint, 1),
            (self._check, 2),
            (self._crash_loop, 0.7),
            (self._garble_loop, 0.7),
            (self._close, 2),
            (self._kill, 4),
        ]

    async def _ticks(self, count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    def _check_alive(self) -> None:
        self._calls.check()
        if self._broken or self._scheduler.failures:
            raise Violation(f"the scheduler broke: {[*self._broken, *self._scheduler.failures]}")

    # What happens to the scheduler and its clock

    async def _let_time_pass(self) -> None:
        seconds = self._rng.choice((0.001, 0.05, 0.3, 2.0, 15.0, 100.0, 4_000.0))
        self.say(f"{seconds} s pass")
        await asyncio.sleep(seconds)

    async def _crash_loop(self) -> None:
        """One worker after the other dies of what it is sent."""
        self.say("a crash loop")
        for _ in range(self._rng.randint(2, _CRASHES_MAX)):
            self._crew.disconnect_all()
            self._crew.connect_good()
            await asyncio.sleep(self._rng.choice((0.1, 70.0)))

    async def _garble_loop(self) -> None:
        """Nothing that workers answer can be read, for a while."""
        for _ in range(self._rng.randint(2, _GARBLED_MAX)):
            self._crew.garble_all()
            await asyncio.sleep(6.0)

    def _check(self) -> None:
        self._look()
        self._check_reservations()

    def _check_reservations(self) -> None:
        """A worker that is kept free for an item is kept free for one that will come."""
        dispatcher = self._scheduler.hub.dispatcher
        coming = {work.key for work in dispatcher._suspects}  # noqa: SLF001 - nothing public tells what is set apart
        for stream in dispatcher.streams:
            known = coming | {lease.work.key for lease in stream.leases.values()}
            if stream.reserved_for is not None and stream.reserved_for not in known:
                raise Violation(f"a worker is kept free for {stream.reserved_for}, which is gone")

    def _set_clock_forward(self) -> None:
        self.say("the clock is set forward by an hour")
        self._clock.set_forward(3_600.0)

    def _checkpoint(self) -> None:
        self.say("checkpoint")
        self._scheduler.look.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _look(self) -> Picture:
        now = picture(self._scheduler.look)
        self._invariants.hold(now)
        self._client.ledger.hold(now, self._invariants)
        cargo.hold(self._scheduler.look, now)
        return now

    def _close(self) -> None:
        self.say("the scheduler stops")
        self._scheduler.hub.dispatcher.pause()
        if self._rng.random() < 0.5:
            self._crew.answer_all()
        self._calls.lose()
        self._crew.disconnect_all()
        self._scheduler.close()
        self._reopen()

    def _kill(self) -> None:
        self.say("the scheduler is killed")
        torn = self._rng.randbytes(self._rng.choice((0, 0, 24, _TORN_BYTES_MAX)))
        self._calls.lose()
        self._crew.lose_scheduler()
        self._scheduler.kill(torn)
        self._reopen()

    def _reopen(self) -> None:
        self._scheduler.open()
        self.say("the scheduler runs again")
        self._look()

    # Order

    async def _end_everything(self) -> None:
        """Good workers, and all that anybody waits for."""
        self.say("-- order")
        self._crew.disconnect_all()
        self._crew.connect_good()
        self._crew.connect_good()
        for _ in range(_ROUNDS_MAX):
            await self._come_to_rest()
            live = [row for row in self._look().rows.values() if not row.status.is_terminal]
            if not live:
                return
            for row in live:
                if row.status is Status.SUSPENDED:
                    self._client.resume_one(row.instance_id)
                for name in EVENTS * _EVENTS_A_ROUND:
                    self._client.raise_for(row.instance_id, name)
        waiting = [f"{row} for {list(self._invariants.story_of(row).waits_for)}" for row in live]
        raise Violation(f"never ends: {'; '.join(waiting)}")

    async def _come_to_rest(self) -> None:
        idle = 0
        for _ in range(_LOOKS_MAX):
            if self._crew.answer_all():
                idle = 0
                await self._ticks(_SETTLED_TICKS)
            elif idle < len(_PAUSES):
                await asyncio.sleep(_PAUSES[idle])
                idle += 1
            else:
                return
            self._check_alive()
        raise Violation("does not come to rest")

    async def _check_rest(self) -> None:
        """Nothing is left of live work: not on the disk, not in memory."""
        self._check_nothing_left(self._look())
        self._check_reservations()
        await self._ticks(_SETTLED_TICKS)
        if len(self._calls):
            raise Violation(f"{len(self._calls)} calls have not been answered")
        self._check_idle()
        self._crew.disconnect_all()
        if self._rng.random() < 0.5:
            self._scheduler.kill(b"")
        else:
            self._scheduler.close()
        self._reopen()
        self._check_idle()

    def _check_nothing_left(self, now: Picture) -> None:
        left = [f"{row}: {row.on_its_way}" for row in now.rows.values() if row.on_its_way]
        entities = now.entities.values()
        left += [f"{len(e.queue)} operations of {e.entity_id}" for e in entities if e.queue]
        left += [f"the lock of {e.entity_id}" for e in entities if e.section]
        left += [f"{len(now.delayed)} delayed signals"] if now.delayed else []
        if left:
            raise Violation(f"left behind: {'; '.join(left)}")

    def _check_idle(self) -> None:
        dispatcher = self._scheduler.hub.dispatcher
        waiting = {kind.name: n for kind, n in dispatcher.waiting().items() if n}
        in_air = {kind.name: n for kind, n in dispatcher.in_air().items() if n}
        leases = list(dispatcher._leases)  # noqa: SLF001 - nothing public shows a lease of no stream
        if waiting or in_air or leases:
            raise Violation(f"waiting: {waiting}, in the air: {in_air}, leases: {leases}")
