"""A client that asks for anything at any time, and looks at the disk when it is answered."""

import json
import random
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from services.scheduler.engine.events import stamp
from services.scheduler.engine.protos import StringValue, pb
from services.scheduler.engine.status import Status
from services.scheduler.hub import reads
from services.scheduler.hub.hub import Hub, Steps
from services.scheduler.hub.opened import OpenHub
from services.scheduler.hub.states import micros_of
from tests.simulation.calls import Calls
from tests.simulation.cargo import cargo
from tests.simulation.clock import ManualClock
from tests.simulation.ledger import Incarnation, Ledger
from tests.simulation.programs import ENTITIES, EVENTS, IDS, first_input
from tests.simulation.scheduler import Scheduler
from tests.simulation.violation import Violation

_REPLACEABLE: Final = tuple(int(status) for status in Status)
_ACTIVE: Final = (Status.PENDING, Status.RUNNING, Status.SUSPENDED)


class Client:
    """The calls of clients, each with what it drew from the seed."""

    def __init__(
        self, rng: random.Random, clock: ManualClock, scheduler: Scheduler, calls: Calls
    ) -> None:
        self._rng = rng
        self._clock = clock
        self._scheduler = scheduler
        self._calls = calls
        self._numbers = 0
        self._rewinds = 0
        self._touched: dict[str, int] = {}
        self.programs: list[str] = []
        self.ledger = Ledger()

    @property
    def _hub(self) -> Hub:
        return self._scheduler.hub.hub

    def _any_id(self) -> str:
        rows = self._scheduler.look.execute("SELECT instance_id FROM instances ORDER BY seq")
        there: list[str] = [row[0] for row in rows]
        # Now and then one that is not there.
        return self._rng.choice([*there, *there, *IDS])

    def _make(
        self, what: str, perform: Callable[[], Any], acknowledged: Callable[[Any], None]
    ) -> bool:
        return self._calls.make(what, perform, self._hub.durable, acknowledged)

    def _touch(self, instance_id: str) -> Callable[[], bool]:
        """Whether nobody has called for the instance since."""
        mark = self._touched[instance_id] = self._touched.get(instance_id, 0) + 1
        return lambda: self._touched[instance_id] == mark

    def _state(self, instance_id: str) -> pb.OrchestrationState | None:
        response = self._hub.get(pb.GetInstanceRequest(instanceId=instance_id))
        return response.orchestrationState if response.exists else None

    def _incarnation(self, instance_id: str) -> Incarnation | None:
        state = self._state(instance_id)
        return None if state is None else (instance_id, micros_of(state.createdTimestamp))

    def _on_disk(self, incarnation: Incarnation) -> Status | None:
        found = self._scheduler.look.execute(
            "SELECT status FROM instances WHERE instance_id = ? AND created_at = ?", incarnation
        ).fetchone()
        return None if found is None else Status(found[0])

    # Starts

    def start(self) -> None:
        """Starts an orchestration, perhaps in the place of another, perhaps later."""
        rng = self._rng
        instance_id = rng.choice(IDS)
        version = rng.choice((None, None, "1", "2"))
        request = pb.CreateInstanceRequest(
            instanceId=instance_id,
            name=rng.choice(self.programs),
            input=StringValue(value=json.dumps(first_input())),
            version=None if version is None else StringValue(value=version),
        )
        if rng.random() < 0.15:
            later = self._clock.now() + timedelta(seconds=rng.choice((1.0, 30.0, 900.0)))
            request.scheduledStartTimestamp.CopyFrom(stamp(later))
        if rng.random() < 0.4:
            request.orchestrationIdReusePolicy.replaceableStatus.extend(_REPLACEABLE)  # type: ignore[arg-type]  # the stubs want the enum's wrapper
        before = self._incarnation(instance_id)
        self._begun(
            f"start {request.name} as {instance_id}", lambda: self._hub.start(request), before
        )

    def restart(self) -> None:
        """Starts a finished instance anew, or any under a new id."""
        anew = self._rng.random() < 0.3
        instance_id = self._any_id()
        request = pb.RestartInstanceRequest(instanceId=instance_id, restartWithNewInstanceId=anew)
        before = None if anew else self._incarnation(instance_id)
        self._begun(f"restart {instance_id}", lambda: self._hub.restart(request), before)

    def _begun(self, what: str, perform: Callable[[], Any], replaced: Incarnation | None) -> None:
        begun: list[Incarnation | None] = []

        def remembering() -> Any:
            response = perform()
            begun.append(self._incarnation(response.instanceId))
            return response

        def acknowledged(response: Any) -> None:
            incarnation = begun[0]
            if replaced is not None:
                self.ledger.gone.add(replaced)
            is_there = self._incarnation(response.instanceId) == incarnation
            if incarnation is None or (is_there and self._on_disk(incarnation) is None):
                raise Violation(f"{what} was acknowledged, and is not on the disk")

        self._make(what, remembering, acknowledged)

    # Messages

    def raise_event(self) -> None:
        """Raises an external event for some instance."""
        self.raise_for(self._any_id(), self._rng.choice(EVENTS))

    def raise_for(self, instance_id: str, name: str) -> None:
        """Raises an external event; its data tells it from every other."""
        self._numbers += 1
        data = f"e{self._numbers} {cargo('event', self._numbers)}"
        request = pb.RaiseEventRequest(
            instanceId=instance_id,
            # Names compare case-insensitively.
            name=self._rng.choice((name, name.upper())),
            input=StringValue(value=data),
        )
        incarnation, rewinds = self._incarnation(instance_id), self._rewinds

        def acknowledged(_response: Any) -> None:
            if incarnation is not None and rewinds == self._rewinds:
                self.ledger.raised[data] = incarnation

        self._make(
            f"raise {name} ({data}) for {instance_id}",
            lambda: self._hub.raise_event(request),
            acknowledged,
        )

    def signal(self) -> None:
        """Signals an entity, now or later."""
        self._numbers += 1
        rng = self._rng
        entity_id = rng.choice(ENTITIES)
        request = pb.SignalEntityRequest(
            instanceId=entity_id,
            name=rng.choice(("add", "relay", "start")),
            requestId=f"s{self._numbers}",
            input=StringValue(value=json.dumps(cargo("signal", self._numbers))),
        )
        if rng.random() < 0.3:
            later = self._clock.now() + timedelta(seconds=rng.choice((1.0, 30.0, 900.0)))
            request.scheduledTime.CopyFrom(stamp(later))

        def acknowledged(_response: Any) -> None:
            self.ledger.signaled[request.requestId] = entity_id

        self._make(
            f"signal {request.name} ({request.requestId}) to {entity_id}",
            lambda: self._hub.signal_entity(request),
            acknowledged,
        )

    # The life of an instance

    def suspend(self) -> None:
        """Suspends some instance."""
        instance_id = self._any_id()
        request = pb.SuspendRequest(instanceId=instance_id)
        self._changed(
            f"suspend {instance_id}",
            instance_id,
            lambda: self._hub.suspend(request),
            lambda status: status is Status.SUSPENDED or status.is_terminal,
        )

    def resume(self) -> None:
        """Resumes some instance."""
        self.resume_one(self._any_id())

    def resume_one(self, instance_id: str) -> None:
        """Resumes an instance."""
        request = pb.ResumeRequest(instanceId=instance_id)
        self._changed(
            f"resume {instance_id}",
            instance_id,
            lambda: self._hub.resume(request),
            lambda status: status is not Status.SUSPENDED,
        )

    def terminate(self) -> None:
        """Terminates some instance, perhaps with its children."""
        instance_id = self._any_id()
        request = pb.TerminateRequest(
            instanceId=instance_id,
            recursive=self._rng.random() < 0.5,
            output=StringValue(value='"enough"'),
        )
        self._ended(
            f"terminate {instance_id}{' and all below' if request.recursive else ''}",
            [instance_id],
            lambda: _all_of(self._hub.terminate(request)),
        )

    def skip_graceful(self) -> None:
        """Ends a batch at once."""
        ids = sorted({self._any_id() for _ in range(2)})
        request = pb.SkipGracefulOrchestrationTerminationsRequest(
            instanceBatch=pb.InstanceBatch(instanceIds=ids)
        )
        self._ended(f"end {ids}", ids, lambda: self._hub.skip_graceful_terminations(request))

    def _ended(self, what: str, ids: list[str], perform: Callable[[], Any]) -> None:
        ended = [found for one in ids if (found := self._incarnation(one)) and self._is_active(one)]
        for instance_id in ids:
            self._touch(instance_id)

        def acknowledged(_response: Any) -> None:
            self.ledger.ended.update(ended)
            for incarnation in ended:
                status = self._on_disk(incarnation)
                if status is not None and not status.is_terminal:
                    raise Violation(f"{what} was acknowledged: {incarnation} is {status.name}")

        self._make(what, perform, acknowledged)

    def _is_active(self, instance_id: str) -> bool:
        state = self._state(instance_id)
        return state is not None and Status(state.orchestrationStatus) in _ACTIVE

    def _changed(
        self,
        what: str,
        instance_id: str,
        perform: Callable[[], Any],
        fits: Callable[[Status], bool],
    ) -> None:
        incarnation = self._incarnation(instance_id)
        untouched = self._touch(instance_id)

        def acknowledged(_response: Any) -> None:
            status = None if incarnation is None else self._on_disk(incarnation)
            if status is not None and untouched() and not fits(status):
                raise Violation(f"{what} was acknowledged, and it is {status.name}")

        self._make(what, perform, acknowledged)

    def rewind(self) -> None:
        """Rewinds a failed instance, sometimes one that did not fail."""
        rows = self._scheduler.look.execute(
            "SELECT instance_id FROM instances WHERE status = ? ORDER BY seq", (int(Status.FAILED),)
        )
        failed: list[str] = [row[0] for row in rows] or [self._any_id()]
        # All at once: parents and children meet each other half rewound.
        some = failed if self._rng.random() < 0.4 else [self._rng.choice(failed)]
        for instance_id in self._rng.sample(some, len(some)):
            self._rewind_one(instance_id)

    def _rewind_one(self, instance_id: str) -> None:
        self._rewinds += 1
        raised = self.ledger.raised
        for data, incarnation in list(raised.items()):
            state = self._state(incarnation[0])
            if state is None or Status(state.orchestrationStatus).is_terminal:
                # An end takes with it what had not been taken in; no rewind brings that back.
                del raised[data]
        request = pb.RewindInstanceRequest(instanceId=instance_id)
        self._touch(instance_id)
        self._make(
            f"rewind {instance_id}", lambda: self._hub.rewind(request), lambda _response: None
        )

    def purge(self) -> None:
        """Purges some instance, perhaps with its children."""
        instance_id, recursive = self._any_id(), self._rng.random() < 0.5
        state, incarnation = self._state(instance_id), self._incarnation(instance_id)
        expected = state is not None and Status(state.orchestrationStatus) not in _ACTIVE

        def acknowledged(count: int) -> None:
            if expected and incarnation is not None:
                self.ledger.gone.add(incarnation)
            if bool(count) != expected or (count > 1 and not recursive):
                raise Violation(f"a purge of {instance_id} says that it removed {count}")

        self._make(
            f"purge {instance_id}{' and all below' if recursive else ''}",
            lambda: _all_of(self._hub.purge([instance_id], recursive=recursive)),
            acknowledged,
        )

    def purge_old(self) -> None:
        """Purges what ended a while ago."""
        age = timedelta(seconds=self._rng.choice((0.0, 60.0)))
        self._make(
            f"purge what is older than {age}",
            lambda: self._hub.purge_finished(age, 3),
            lambda _count: None,
        )

    def clean_entities(self) -> None:
        """Cleans up; no lock may be without an owner."""
        request = pb.CleanEntityStorageRequest(removeEmptyEntities=True, releaseOrphanedLocks=True)

        def acknowledged(response: pb.CleanEntityStorageResponse) -> None:
            if response.orphanedLocksReleased:
                raise Violation(f"{response.orphanedLocksReleased} locks had lost their owner")

        self._make("clean up", lambda: self._hub.clean_entities(request, 100), acknowledged)

    # Readers

    def wait(self, tell: Callable[[str], None]) -> None:
        """Waits for the end of some instance that there is, for as long as it takes."""
        instance_id = self._any_id()
        if not self._hub.get(pb.GetInstanceRequest(instanceId=instance_id)).exists:
            return
        tell(f"wait for the end of {instance_id}")
        self._calls.follow(self._waited(self._scheduler.hub, instance_id))

    async def _waited(self, hub: OpenHub, instance_id: str) -> None:
        request = pb.GetInstanceRequest(instanceId=instance_id)
        response = await hub.hub.wait(request, lambda row: row.status.is_terminal)
        await hub.hub.durable()
        state = response.orchestrationState
        if response.exists and Status(state.orchestrationStatus) in _ACTIVE:
            raise Violation(f"a wait for {instance_id} ends with {state.orchestrationStatus}")

    def query(self, tell: Callable[[str], None]) -> None:
        """Pages through all instances."""
        tell("query all")
        self._calls.follow(self._queried(self._scheduler.hub, self._scheduler.look))

    async def _queried(self, hub: OpenHub, look: sqlite3.Connection) -> None:
        query = pb.InstanceQuery(maxInstanceCount=3)
        found: list[str] = []
        while True:
            request = pb.QueryInstancesRequest(query=query)
            page = await hub.read(reads.query_instances(request))
            found.extend(state.instanceId for state in page.orchestrationState)
            if not page.HasField("continuationToken"):
                break
            query.continuationToken.CopyFrom(page.continuationToken)
        there = [row[0] for row in look.execute("SELECT instance_id FROM instances ORDER BY seq")]
        if found != there:
            raise Violation(f"a query finds {found}; there are {there}")


def _all_of(steps: Steps[Any]) -> Any:
    """What all steps of something large come to, with nobody served between them."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
