"""One task hub: one method per use case, each of which loads, decides and commits.

All of it is synchronous, so nothing can happen between a load and its commit. A reply must not
leave before `durable()` has returned. What may concern very many instances is cut into steps, each
a use case, between which `OpenHub.in_steps` lets others be served.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

from services.scheduler.dispatch.items import Kind
from services.scheduler.engine import events, limits
from services.scheduler.engine.effects import SendOperation
from services.scheduler.engine.protos import StringValue, pb
from services.scheduler.engine.start import check_reuse, replaceable_statuses, restarted, started_by
from services.scheduler.engine.status import RECEPTION, Message, Reception, Status
from services.scheduler.errors import InstanceNotFoundError, StoppingError, WrongStateError
from services.scheduler.hub.parts import Parts
from services.scheduler.hub.router import Origin, Router
from services.scheduler.hub.states import entity_metadata, orchestration_state
from services.scheduler.store.rows import InstanceRow

Result = TypeVar("Result")
Steps = Generator[None, None, Result]

# Instances that one step ends or deletes: some 10 ms, in which nobody else is served.
_A_STEP: Final = 100


class Hub:
    """The use cases of one task hub."""

    def __init__(self, parts: Parts, router: Router) -> None:
        self._parts = parts
        self._store = parts.store
        self._router = router

    async def durable(self, *, patiently: bool = False) -> None:
        """Waits until all that has been done and read so far is on the disk.

        `patiently`: it may rest there for a moment, so that what it leads to is written with it.
        """
        await self._parts.commits.durable(patiently=patiently)

    def when_durable(self, act: Callable[[], None], *, patiently: bool = False) -> None:
        """The same without a task to wait in."""
        self._parts.commits.when_durable(act, patiently=patiently)

    # What clients ask for

    def start(self, request: pb.CreateInstanceRequest) -> pb.CreateInstanceResponse:
        """Starts an orchestration.

        Raises `BadRequestError`, `InstanceExistsError` and `OverloadError`.
        """
        if not request.instanceId:
            named = pb.CreateInstanceRequest()
            named.CopyFrom(request)
            named.instanceId = self._parts.ids()
            request = named
        started = started_by(request, self._parts.ids())
        policy = (
            request.orchestrationIdReusePolicy
            if request.HasField("orchestrationIdReusePolicy")
            else None
        )
        replaceable_statuses(policy)
        # What is refused begins nothing: others' caches would suffer from taking it back.
        existing = self._store.find_instance(request.instanceId)
        if existing is not None:
            check_reuse(request.instanceId, existing.status, policy)
        self._parts.admission.start()
        with self._parts.commits.use_case():
            if existing is not None:
                self._router.remove(existing)
            self._router.start(started, self._parts.now())
        return pb.CreateInstanceResponse(instanceId=request.instanceId)

    def get(self, request: pb.GetInstanceRequest) -> pb.GetInstanceResponse:
        """An instance's state, or that there is none."""
        return self._state(request, self._store.find_instance(request.instanceId))

    def _state(
        self, request: pb.GetInstanceRequest, row: InstanceRow | None
    ) -> pb.GetInstanceResponse:
        if row is None:
            return pb.GetInstanceResponse(exists=False)
        payloads = self._store.payloads_of(row.seq) if request.getInputsAndOutputs else None
        return pb.GetInstanceResponse(
            exists=True, orchestrationState=orchestration_state(row, payloads)
        )

    async def wait(
        self, request: pb.GetInstanceRequest, test: Callable[[InstanceRow], bool]
    ) -> pb.GetInstanceResponse:
        """The state of an instance once it passes a test, or once it has been purged.

        A missing one is waited for: it may be started yet. Raises `StoppingError` when the hub
        closes.
        """
        waiters = self._parts.waiters
        row = self._store.find_instance(request.instanceId)
        # Who is woken may find another instance of this id, which has only just begun.
        while row is None or not test(row):
            existed = row is not None
            await waiters.wait(request.instanceId, test)
            if waiters.is_closed:
                raise StoppingError
            row = self._store.find_instance(request.instanceId)
            if row is None and existed:
                break
        return self._state(request, row)

    def raise_event(self, request: pb.RaiseEventRequest) -> pb.RaiseEventResponse:
        """Sends an external event.

        Raises `BadRequestError`, `InstanceNotFoundError` and `OverloadError`.
        """
        limits.check_name("Event", request.name)
        limits.check_payload(f"the data of event {request.name!r}", request.input.value)
        data = request.input if request.HasField("input") else None
        row = self._existing(request.instanceId)
        now = self._parts.now()
        event = events.event_raised(now, request.name, data)
        if RECEPTION[row.status, Message.DELIVER] is Reception.BUFFERED:
            self._parts.admission.event(row.seq, event.ByteSize())
        with self._parts.commits.use_case():
            if self._router.deliver(row, event) is Reception.BUFFERED:
                self._store.touch_instance(row.seq, now)
        return pb.RaiseEventResponse()

    def suspend(self, request: pb.SuspendRequest) -> pb.SuspendResponse:
        """No turns from now on; raises `InstanceNotFoundError`, `OverloadError`."""
        reason = _checked(request.reason if request.HasField("reason") else None)
        row = self._existing(request.instanceId)
        now = self._parts.now()
        event = events.execution_suspended(now, reason)
        suspends = RECEPTION[row.status, Message.SUSPEND] is Reception.SUSPENDS
        if suspends:
            self._parts.admission.event(row.seq, event.ByteSize())
        with self._parts.commits.use_case():
            if suspends:
                self._store.add_message(row.seq, event)
                self._store.save_status(row.seq, Status.SUSPENDED, now)
                self._router.tell(row.instance_id)
        return pb.SuspendResponse()

    def resume(self, request: pb.ResumeRequest) -> pb.ResumeResponse:
        """Turns again; raises `InstanceNotFoundError`. Never refused for want of room."""
        reason = _checked(request.reason if request.HasField("reason") else None)
        with self._parts.commits.use_case():
            row = self._existing(request.instanceId)
            if RECEPTION[row.status, Message.RESUME] is Reception.RESUMES:
                now = self._parts.now()
                began = self._parts.executions.load(row.seq).turn > 0
                status = Status.RUNNING if began else Status.PENDING
                event = events.execution_resumed(now, reason)
                self._parts.admission.resumption(row.seq, event.ByteSize())
                self._store.add_message(row.seq, event)
                self._store.save_status(row.seq, status, now)
                self._parts.offer_turn(replace(row, status=status))
                self._router.tell(row.instance_id)
        return pb.ResumeResponse()

    def terminate(self, request: pb.TerminateRequest) -> Steps[None]:
        """Ends an instance, and, if asked, what it has started; a missing one is none's fault.

        Parents end before what they could still start, and one that was interrupted can be asked
        for again.
        """
        output = _checked(request.output if request.HasField("output") else None)
        row = self._store.find_instance(request.instanceId)
        pending = deque(() if row is None else (row.seq,))
        seen = set(pending) if request.recursive else None
        while pending:
            some = [pending.popleft() for _ in range(min(len(pending), _A_STEP))]
            with self._parts.commits.use_case():
                for seq in some:
                    pending.extend(self._router.end(seq, output, seen))
            if pending:
                yield

    def skip_graceful_terminations(
        self, request: pb.SkipGracefulOrchestrationTerminationsRequest
    ) -> pb.SkipGracefulOrchestrationTerminationsResponse:
        """Ends a batch of instances at once; tells those that were not there to be ended."""
        ids = limits.checked_batch(request.instanceBatch.instanceIds)
        reason = _checked(request.reason if request.HasField("reason") else None)
        untouched = []
        with self._parts.commits.use_case():
            for instance_id in ids:
                row = self._store.find_instance(instance_id)
                if row is None or row.status.is_terminal:
                    untouched.append(instance_id)
                else:
                    self._router.end(row.seq, reason)
        return pb.SkipGracefulOrchestrationTerminationsResponse(unterminatedInstanceIds=untouched)

    def restart(self, request: pb.RestartInstanceRequest) -> pb.RestartInstanceResponse:
        """Starts an orchestration anew.

        Raises `InstanceNotFoundError`, `WrongStateError` and `OverloadError`.
        """
        self._parts.admission.start()
        with self._parts.commits.use_case():
            row = self._existing(request.instanceId)
            before = self._router.started_event(row)
            instance_id = row.instance_id
            if request.restartWithNewInstanceId:
                instance_id = self._parts.ids()
            elif not row.status.is_terminal:
                raise WrongStateError(
                    f"Orchestration instance {row.instance_id} cannot be restarted under the same"
                    f" id while it is {row.status.name}"
                )
            else:
                self._router.remove(row)
            started = restarted(before, instance_id, self._parts.ids())
            self._router.start(started, self._parts.now())
        return pb.RestartInstanceResponse(instanceId=instance_id)

    def rewind(self, request: pb.RewindInstanceRequest) -> pb.RewindInstanceResponse:
        """Sets a failed instance going again; raises `InstanceNotFoundError`, `WrongStateError`."""
        reason = _checked(request.reason if request.HasField("reason") else None)
        with self._parts.commits.use_case():
            row = self._existing(request.instanceId)
            if RECEPTION[row.status, Message.REWIND] is not Reception.REWINDS:
                raise WrongStateError(
                    f"Orchestration instance {row.instance_id} cannot be rewound:"
                    f" it is {row.status.name}, not FAILED"
                )
            self._router.rewind(row, events.execution_rewound(self._parts.now(), reason))
            self._router.tell(row.instance_id)
        return pb.RewindInstanceResponse()

    def purge(self, instance_ids: Iterable[str], *, recursive: bool) -> Steps[int]:
        """Deletes finished instances, and, if asked, what they have started; gives how many.

        Children go before their parents, so that one that was interrupted can be asked for again.
        """
        # In order; an id that is used again can make an instance its own ancestor.
        seen: dict[int, None] = {}
        pending = list(instance_ids)
        while pending:
            row = self._store.find_instance(pending.pop())
            if row is None or not row.status.is_terminal or row.seq in seen:
                continue
            seen[row.seq] = None
            if recursive:
                children = self._store.children_of(row.instance_id)
                pending.extend(child for _seq, child, _status in children)
            if len(seen) % _A_STEP == 0:
                yield
        family, purged = list(seen), 0
        while family:
            some, family = family[-_A_STEP:], family[:-_A_STEP]
            purged += self._purge_some(reversed(some))
            if family:
                yield
        return purged

    def _purge_some(self, seqs: Iterable[int]) -> int:
        purged = 0
        with self._parts.commits.use_case():
            for seq in seqs:
                row = self._store.load_instance(seq)
                if row is not None and row.status.is_terminal:
                    self._router.remove(row)
                    purged += 1
        return purged

    def purge_finished(self, age: timedelta, limit: int) -> int:
        """Deletes instances that ended so long ago; gives how many, `limit` at most."""
        with self._parts.commits.use_case():
            seqs = self._store.finished_before(self._parts.now() - age, limit)
            for seq in seqs:
                row = self._store.load_instance(seq)
                if row is not None:
                    self._router.remove(row)
        return len(seqs)

    # Entities

    def signal_entity(self, request: pb.SignalEntityRequest) -> pb.SignalEntityResponse:
        """Queues an operation; raises `BadRequestError`, `OverloadError`."""
        limits.check_signal(request)
        event = events.entity_signaled(
            self._parts.now(),
            request.requestId or self._parts.ids(),
            request.instanceId,
            request.name,
            request.input if request.HasField("input") else None,
        )
        due = events.moment(request.scheduledTime) if request.HasField("scheduledTime") else None
        effect = SendOperation(entity_id=request.instanceId, event=event, due=due)
        self._admit_signal(request.instanceId, event.ByteSize(), due)
        with self._parts.commits.use_case():
            self._router.carry_out([effect], Origin())
        return pb.SignalEntityResponse()

    def _admit_signal(self, entity_id: str, size: int, due: datetime | None) -> None:
        if due is not None and due > self._parts.now():
            self._parts.admission.delayed_signal(size)
            return
        row = self._parts.entities.find_entity(entity_id)
        shelves = self._parts.dispatcher.shelves
        if row is None or (Kind.ENTITY, row.seq) not in shelves:
            # What it is offered with stays in memory until a worker has room for it.
            self._parts.admission.entity(shelves.ready(Kind.ENTITY))
        if row is not None:
            self._parts.admission.operation(row.seq, size)

    def get_entity(self, request: pb.GetEntityRequest) -> pb.GetEntityResponse:
        """An entity's state; one that has none does not exist, whatever waits for it."""
        row = self._parts.entities.find_entity(request.instanceId)
        if row is None or row.entity.state is None:
            return pb.GetEntityResponse(exists=False)
        counted = replace(row, backlog=self._parts.entities.count_operations(row.seq))
        metadata = entity_metadata(counted, include_state=request.includeState)
        return pb.GetEntityResponse(exists=True, entity=metadata)

    def clean_entities(
        self, request: pb.CleanEntityStorageRequest, limit: int
    ) -> pb.CleanEntityStorageResponse:
        """Removes entities that hold nothing and locks that nobody holds, `limit` of each."""
        removed: list[int] = []
        orphaned: list[tuple[int, str]] = []
        with self._parts.commits.use_case():
            if request.releaseOrphanedLocks:
                orphaned = self._parts.entities.orphaned_locks(limit)
                self._router.release_locks(orphaned)
            if request.removeEmptyEntities:
                removed = self._parts.entities.empty_entities(limit)
                for seq in removed:
                    self._parts.entities.delete_entity(seq)
        return pb.CleanEntityStorageResponse(
            emptyEntitiesRemoved=len(removed), orphanedLocksReleased=len(orphaned)
        )

    def _existing(self, instance_id: str) -> InstanceRow:
        row = self._store.find_instance(instance_id)
        if row is None:
            raise InstanceNotFoundError(instance_id)
        return row


def _checked(text: StringValue | None) -> StringValue | None:
    limits.check_payload("the reason", "" if text is None else text.value)
    return text
