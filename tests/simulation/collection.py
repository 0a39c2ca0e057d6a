"""A payload directory under random uploads, references, purges, restarts, looks and clocks.

The whole of it is real: hubs, files, collector, threads. What must hold is looked up in the hubs'
files as they are, by a search that knows nothing of references.
"""

import asyncio
import random
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Final

from services.scheduler.engine.events import stamp
from services.scheduler.engine.protos import StringValue, pb
from services.scheduler.hub.opened import OpenHub
from services.shared.payload_files import token_of
from tests.simulation.violation import Violation
from tests.store.payload_names import named
from tests.unit.hub.yard import Yard

_STEPS: Final = 120
_PAYLOADS: Final = 14
_INSTANCES: Final = 8
_HUBS: Final = ("default", "second", "third")
_ENTITIES: Final = ("@basket@a", "@basket@b")
_AGE: Final = timedelta(hours=1)


class Collection:
    """One run, in an empty directory."""

    def __init__(self, seed: int, folder: Path) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - a seed must give the same run again
        self._folder = folder
        self._yard = Yard(folder)
        # Uploads whose calls are on their way: the token, and the looks begun since.
        self._sent: list[tuple[str, int]] = []
        self._looks = 0
        # Named, and there when it came to be named.
        self._sound: set[bytes] = set()
        self._removed = 0

    async def play(self) -> int:
        """Everything, and then nothing is left; gives how many files were removed in between."""
        steps: list[tuple[Callable[[], Awaitable[None]], int]] = [
            (self._upload, 10),
            (self._deliver, 12),
            (self._name_without_upload, 4),
            (self._purge, 8),
            (self._restart_instance, 3),
            (self._drain_entities, 3),
            (self._delete_hub, 1),
            (self._forget_hub, 1),
            (self._restart, 3),
            (self._look, 8),
            (self._look_while_others_act, 6),
            (self._pass_time, 10),
            (self._set_clock, 2),
        ]
        acts, weights = zip(*steps, strict=True)
        try:
            for _ in range(_STEPS):
                await self._rng.choices(acts, weights)[0]()
                await self._check()
            await self._end()
        finally:
            await self._yard.close()
        return self._removed

    # What clients and workers do

    async def _upload(self) -> None:
        token = self._yard.upload(f"payload {self._rng.randrange(_PAYLOADS)}")
        self._sent.append((token, self._looks))

    async def _deliver(self) -> None:
        """The call that an upload was for."""
        if self._sent:
            token, _looks = self._sent.pop(self._rng.randrange(len(self._sent)))
            await self._name(token)
            if not self._yard.has(token):
                raise Violation(f"{token} was removed between its upload and its call")

    async def _name_without_upload(self) -> None:
        """Somebody has kept a token: it may mean nothing any more."""
        await self._name(token_of(f"payload {self._rng.randrange(_PAYLOADS)}".encode()))

    async def _name(self, token: str) -> None:
        hub = self._hub()
        text = StringValue(value=token)
        kind = self._rng.randrange(5)
        if kind == 0:
            entity = self._rng.choice(_ENTITIES)
            signal = pb.SignalEntityRequest(instanceId=entity, name="put", input=text)
            if self._rng.random() < 0.5:
                later = self._yard.now() + timedelta(hours=self._rng.randint(1, 9))
                signal.scheduledTime.CopyFrom(stamp(later))
            hub.hub.signal_entity(signal)
        else:
            instance_id = f"run-{self._rng.randrange(_INSTANCES)}"
            known = hub.hub.get(pb.GetInstanceRequest(instanceId=instance_id))
            if not known.exists:
                begun = pb.CreateInstanceRequest(instanceId=instance_id, name="main", input=text)
                hub.hub.start(begun)
            elif known.orchestrationState.orchestrationStatus != pb.ORCHESTRATION_STATUS_PENDING:
                await self._replace(hub, instance_id, text)
            elif kind == 1:
                ended = pb.TerminateRequest(instanceId=instance_id, output=text)
                await hub.in_steps(hub.hub.terminate(ended))
            else:
                raised = pb.RaiseEventRequest(instanceId=instance_id, name="e", input=text)
                hub.hub.raise_event(raised)
        if self._rng.random() < 0.8:
            await hub.hub.durable()

    async def _replace(self, hub: OpenHub, instance_id: str, text: StringValue) -> None:
        """The id is used again, and all that stood under it is gone."""
        policy = pb.OrchestrationIdReusePolicy(
            replaceableStatus=[
                pb.ORCHESTRATION_STATUS_TERMINATED,
                pb.ORCHESTRATION_STATUS_COMPLETED,
                pb.ORCHESTRATION_STATUS_FAILED,
            ]
        )
        hub.hub.start(
            pb.CreateInstanceRequest(
                instanceId=instance_id,
                name="main",
                input=text,
                orchestrationIdReusePolicy=policy,
            )
        )

    async def _purge(self) -> None:
        hub = self._hub()
        ids = [f"run-{number}" for number in range(_INSTANCES) if self._rng.random() < 0.5]
        for instance_id in ids:
            await self._terminate(hub, instance_id)
        await hub.in_steps(hub.hub.purge(ids, recursive=False))

    async def _terminate(self, hub: OpenHub, instance_id: str) -> None:
        await hub.in_steps(hub.hub.terminate(pb.TerminateRequest(instanceId=instance_id)))

    async def _restart_instance(self) -> None:
        """The new one names what the old one named, and the old one may go."""
        hub = self._hub()
        old = f"run-{self._rng.randrange(_INSTANCES)}"
        if hub.hub.get(pb.GetInstanceRequest(instanceId=old)).exists:
            await self._terminate(hub, old)
            hub.hub.restart(pb.RestartInstanceRequest(instanceId=old))

    async def _drain_entities(self) -> None:
        """A worker answers what waits: states take the place of operations."""
        hub = self._hub()
        with closing(sqlite3.connect(self._folder / f"{hub.name}.db")) as look:
            queues = look.execute("SELECT DISTINCT entity FROM operations").fetchall()
        store = hub.desk._parts.entities  # noqa: SLF001 - a worker's answer, without its stream
        with hub.desk._parts.commits.use_case():  # noqa: SLF001 - as above
            for (entity,) in queues:
                row = store.load_entity(entity)
                waiting = store.load_operations(entity, 3)
                if row is None or not waiting:
                    continue
                event = pb.HistoryEvent.FromString(waiting[-1][2])
                state = event.entityOperationSignaled.input.value
                store.delete_operations(entity, [seq for seq, _section, _blob in waiting])
                changed = type(row.entity)(entity_id=row.entity.entity_id, state=state)
                store.save_entity(entity, changed, self._yard.now())

    # What happens to the scheduler, its hubs and its clock

    def _hub(self) -> OpenHub:
        return self._yard.hubs.find(self._rng.choice(_HUBS))

    async def _delete_hub(self) -> None:
        open_now = {hub.name for hub in self._yard.hubs.opened} - {"default"}
        if open_now:
            self._yard.hubs.delete(self._rng.choice(sorted(open_now)))

    async def _forget_hub(self) -> None:
        """A person removes what was set aside."""
        for file in self._yard.set_aside():
            file.unlink()

    async def _restart(self) -> None:
        """What the collector knew is forgotten; what calls were on their way may still come."""
        ahead = self._yard.ahead
        await self._yard.close()
        self._yard = Yard(self._folder)
        self._yard.ahead = ahead

    async def _look(self) -> None:
        self._begin_look()
        self._removed += await self._yard.collector.sweep()

    async def _look_while_others_act(self) -> None:
        self._begin_look()
        sweeping = asyncio.create_task(self._yard.collector.sweep())
        while not sweeping.done():
            act = self._rng.choice((self._deliver, self._name_without_upload, self._purge))
            await act()
            # At every moment: what is let go of, removed, and named again was named in vain.
            await self._check()
            await asyncio.sleep(0)
        self._removed += await sweeping

    def _begin_look(self) -> None:
        """A call may take an hour, or, whatever the clock does, the time between two looks."""
        self._looks += 1
        self._sent = [(token, looks) for token, looks in self._sent if self._looks - looks < 2]

    async def _pass_time(self) -> None:
        self._yard.ahead += timedelta(minutes=self._rng.choice((1, 10, 30, 61, 200)))

    async def _set_clock(self) -> None:
        self._yard.ahead += timedelta(hours=self._rng.choice((-30, -5, -1, 2, 40)))

    # What must hold

    async def _check(self) -> None:
        await self._yard.hubs.durable()
        files = [*self._folder.glob("*.db"), *self._yard.set_aside()]
        names: set[bytes] = set()
        for file in files:
            how = "immutable=1" if file.name.partition(".db")[2] else "mode=ro"
            with closing(sqlite3.connect(f"file:{file}?{how}", uri=True)) as look:
                names |= named(look)
        there = {digest for digest in names if self._yard.has(f"file:v1:{digest.hex()}")}
        lost = (self._sound & names) - there
        if lost:
            raise Violation(f"removed, and named still: {sorted(one.hex() for one in lost)}")
        self._sound = there

    async def _end(self) -> None:
        """Everybody lets go, and the directory is empty."""
        for hub in self._yard.hubs.opened:
            if hub.name != "default":
                self._yard.hubs.delete(hub.name)
        await self._forget_hub()
        (hub,) = self._yard.hubs.opened
        for number in range(_INSTANCES):
            await self._terminate(hub, f"run-{number}")
        purged = hub.hub.purge_finished(timedelta(days=-9_999), 1_000)
        with closing(sqlite3.connect(self._folder / "default.db")) as look:
            left = look.execute("SELECT count(*) FROM instances").fetchone()[0]
        if purged < left:
            raise Violation(f"{left - purged} instances are left")
        await self._empty_entities(hub)
        self._yard.ahead += timedelta(days=2)
        await self._look()
        self._yard.ahead += 2 * _AGE
        await self._look()
        await self._look()
        left_over = list(self._yard.files.tokens())
        if left_over:
            raise Violation(f"never removed: {left_over}")

    async def _empty_entities(self, hub: OpenHub) -> None:
        parts = hub.desk._parts  # noqa: SLF001 - as above
        with parts.commits.use_case():
            parts.store.take_due_alarms(self._yard.now() + timedelta(days=9_999), 10_000)
            for name in _ENTITIES:
                row = parts.entities.find_entity(name)
                if row is not None:
                    waiting = parts.entities.load_operations(row.seq, 10_000)
                    parts.entities.delete_operations(row.seq, [one[0] for one in waiting])
                    parts.entities.delete_entity(row.seq)
        await hub.hub.durable()


def run_collection(seed: int, folder: Path) -> int:
    """Plays a seed in an empty directory; gives how many files were removed on the way."""

    async def play() -> int:
        return await Collection(seed, folder).play()

    try:
        return asyncio.run(play())
    except Exception as error:
        raise Violation(f"seed {seed}: {error}") from error
