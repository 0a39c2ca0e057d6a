"""An honest worker's replay: a program is a pure function of its history.

It numbers actions from 1 as the Python SDK does, matches every scheduling event against the action
that caused it, and retries under the same id.
"""

import json
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from services.scheduler.engine.events import moment, stamp
from services.scheduler.engine.protos import StringValue, pb
from tests.simulation.clock import BEGINNING
from tests.simulation.histories import Key, answered_by, kind_of

_PAUSE: Final = timedelta(seconds=3)


class Mismatch(Exception):  # noqa: N818 - it is what a history is to a program
    """The history is not one of this program."""


class ProgramFailed(Exception):  # noqa: N818 - it is what has happened
    """The program ends its orchestration as failed."""


@dataclass(slots=True, kw_only=True, eq=False)
class Awaited:
    """Something that a program may wait for."""

    done: bool = False
    value: Any = None
    failed: bool = False
    retries: int = 0
    action: pb.OrchestratorAction = field(default_factory=pb.OrchestratorAction)
    then: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Waits for the first of several."""

    awaited: Sequence[Awaited]


Program = Generator[Sequence[Awaited] | AnyOf, None, pb.CompleteOrchestrationAction]
Body = Callable[["Replay", Any], Program]


class Replay:
    """One turn of one execution, and what its program may ask for meanwhile."""

    def __init__(self, bodies: Mapping[str, Body], request: pb.OrchestratorRequest) -> None:
        self._bodies = bodies
        self._request = request
        self._last_id = 0
        self._actions: dict[int, pb.OrchestratorAction] = {}
        self._awaited: dict[Key, Awaited] = {}
        self._buffered: deque[tuple[str, str]] = deque()
        self._waiting: dict[str, deque[Awaited]] = {}
        self._program: Program | None = None
        self._blocked: Sequence[Awaited] | AnyOf = ()
        self._completion: pb.CompleteOrchestrationAction | None = None
        self._replaying = True
        self._fresh = 0
        self._now = BEGINNING
        self.instance_id = request.instanceId
        self.consumed: list[str] = []
        self.status: str | None = None

    def run(self) -> list[pb.OrchestratorAction]:
        """The turn's actions; raises `Mismatch`."""
        for event in self._request.pastEvents:
            self._take(event)
        self._replaying = False
        for event in self._request.newEvents:
            self._take(event)
        actions = list(self._actions.values())
        if self._completion is not None:
            actions.append(self._ending(self._completion))
        return actions

    def _ending(self, completion: pb.CompleteOrchestrationAction) -> pb.OrchestratorAction:
        if completion.orchestrationStatus == pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW:
            # Whatever else has come in this turn is carried over, or known to be consumed.
            given = json.loads(completion.result.value)
            completion.result.value = json.dumps({**given, "consumed": self.consumed})
            for name, data in self._buffered:
                event = pb.EventRaisedEvent(name=name, input=StringValue(value=data))
                completion.carryoverEvents.append(pb.HistoryEvent(eventId=-1, eventRaised=event))
        return pb.OrchestratorAction(id=self._last_id + 1, completeOrchestration=completion)

    # What comes

    def _take(self, event: pb.HistoryEvent) -> None:
        kind = kind_of(event)
        if kind == "orchestratorStarted":
            self._now = moment(event.timestamp)
        elif kind == "executionStarted":
            started = event.executionStarted
            self._program = self._bodies[started.name](self, json.loads(started.input.value))
            self._advance()
        elif kind == "eventRaised":
            name = event.eventRaised.name.lower()
            self._buffered.append((name, event.eventRaised.input.value))
            self._hand_out(name)
            self._advance()
        elif kind in _SAYS:
            self._confirm(event, kind)
        elif (key := answered_by(event)) is not None:
            self._answer(key, event, kind)

    def _confirm(self, event: pb.HistoryEvent, kind: str) -> None:
        action = self._actions.pop(event.eventId, None)
        decided, recorded = _SAYS[kind]
        if action is None or decided(action) != recorded(event):
            raise Mismatch(f"{kind} {event.eventId} of {self.instance_id}, decided was: {action}")

    def _answer(self, key: Key, event: pb.HistoryEvent, kind: str) -> None:
        awaited = self._awaited.pop(key, None)
        if awaited is None:
            raise Mismatch(f"{kind} of {self.instance_id} answers nothing: {key}")
        awaited.failed = kind.endswith("Failed")
        if awaited.failed and awaited.retries:
            self._again_later(key, awaited)
            return
        awaited.done = True
        awaited.value = None if awaited.failed else _VALUES[kind](event)
        if awaited.then is not None:
            awaited.then()
        self._advance()

    def _again_later(self, key: Key, awaited: Awaited) -> None:
        awaited.retries -= 1

        def again() -> None:
            self._actions[awaited.action.id] = awaited.action
            self._awaited[key] = awaited

        self.timer(_PAUSE).then = again

    def _hand_out(self, name: str) -> None:
        waiting = self._waiting.get(name)
        held = next((pair for pair in self._buffered if pair[0] == name), None)
        if waiting and held is not None:
            self._buffered.remove(held)
            awaited = waiting.popleft()
            awaited.done = True
            awaited.value = held[1]
            self.consumed.append(held[1])

    def _advance(self) -> None:
        while self._program is not None and _is_over(self._blocked):
            try:
                self._blocked = next(self._program)
            except StopIteration as end:
                self._program = None
                self._completion = end.value
            except ProgramFailed as failure:
                self._program = None
                self._completion = failed_as("ProgramFailed", str(failure))

    # What programs ask for

    def _act(self, **action: Any) -> pb.OrchestratorAction:
        self._last_id += 1
        made = pb.OrchestratorAction(id=self._last_id, **action)
        self._actions[made.id] = made
        return made

    def _await(self, kind: str, key: int | str, awaited: Awaited) -> Awaited:
        self._awaited[kind, key] = awaited
        return awaited

    def fresh(self) -> str:
        """An id that a replay makes again, and another execution does not."""
        self._fresh += 1
        return f"{self.instance_id}/{self._now:%H%M%S.%f}/{self._fresh}"

    def activity(self, name: str, given: Any, retries: int = 0) -> Awaited:
        """Runs an activity."""
        task = pb.ScheduleTaskAction(name=name, input=StringValue(value=json.dumps(given)))
        action = self._act(scheduleTask=task)
        return self._await("task", action.id, Awaited(action=action, retries=retries))

    def timer(self, after: timedelta) -> Awaited:
        """Waits for some time."""
        action = self._act(createTimer=pb.CreateTimerAction(fireAt=stamp(self._now + after)))
        return self._await("timer", action.id, Awaited(action=action))

    def child(self, name: str, given: Any, instance_id: str = "", retries: int = 0) -> Awaited:
        """Starts a sub-orchestration."""
        child = pb.CreateSubOrchestrationAction(
            name=name, input=StringValue(value=json.dumps(given)), instanceId=instance_id
        )
        action = self._act(createSubOrchestration=child)
        return self._await("child", action.id, Awaited(action=action, retries=retries))

    def event(self, name: str) -> Awaited:
        """Waits for an external event, or takes one that has come already."""
        awaited = Awaited()
        self._waiting.setdefault(name, deque()).append(awaited)
        self._hand_out(name)
        return awaited

    def send(self, instance_id: str, name: str, data: str) -> None:
        """Sends an external event to another instance."""
        target = pb.OrchestrationInstance(instanceId=instance_id)
        sent = pb.SendEventAction(instance=target, name=name, data=StringValue(value=data))
        self._act(sendEvent=sent)

    def terminate(self, instance_id: str, *, recurse: bool) -> None:
        """Ends another instance. Of that nothing stands in the history."""
        action = self._act(
            terminateOrchestration=pb.TerminateOrchestrationAction(
                instanceId=instance_id, recurse=recurse
            )
        )
        if self._replaying:
            del self._actions[action.id]

    def call(self, entity_id: str, operation: str, given: Any) -> Awaited:
        """Calls an entity."""
        request_id = self.fresh()
        called = pb.EntityOperationCalledEvent(
            requestId=request_id,
            operation=operation,
            input=StringValue(value=json.dumps(given)),
            targetInstanceId=StringValue(value=entity_id),
        )
        self._act(sendEntityMessage=pb.SendEntityMessageAction(entityOperationCalled=called))
        return self._await("call", request_id, Awaited())

    def signal(self, entity_id: str, operation: str, given: Any, after: timedelta | None) -> None:
        """Signals an entity, now or later."""
        signaled = pb.EntityOperationSignaledEvent(
            requestId=self.fresh(),
            operation=operation,
            input=StringValue(value=json.dumps(given)),
            targetInstanceId=StringValue(value=entity_id),
            scheduledTime=None if after is None else stamp(self._now + after),
        )
        self._act(sendEntityMessage=pb.SendEntityMessageAction(entityOperationSignaled=signaled))

    def lock(self, entity_ids: Sequence[str]) -> tuple[str, Awaited]:
        """Asks for a critical section; gives its id."""
        section = self.fresh()
        asked = pb.EntityLockRequestedEvent(
            criticalSectionId=section,
            lockSet=entity_ids,
            parentInstanceId=StringValue(value=self.instance_id),
        )
        self._act(sendEntityMessage=pb.SendEntityMessageAction(entityLockRequested=asked))
        return section, self._await("lock", section, Awaited())

    def unlock(self, section: str, entity_ids: Sequence[str]) -> None:
        """Ends a critical section."""
        for entity_id in entity_ids:
            sent = pb.EntityUnlockSentEvent(
                criticalSectionId=section, targetInstanceId=StringValue(value=entity_id)
            )
            self._act(sendEntityMessage=pb.SendEntityMessageAction(entityUnlockSent=sent))


def failed_as(kind: str, message: str) -> pb.CompleteOrchestrationAction:
    """The end of an orchestration that failed."""
    return pb.CompleteOrchestrationAction(
        orchestrationStatus=pb.ORCHESTRATION_STATUS_FAILED,
        failureDetails=pb.TaskFailureDetails(errorType=kind, errorMessage=message),
    )


def ended_as(status: pb.OrchestrationStatus, value: Any) -> pb.CompleteOrchestrationAction:
    """The end of an orchestration that did not."""
    return pb.CompleteOrchestrationAction(
        orchestrationStatus=status, result=StringValue(value=json.dumps(value))
    )


def _is_over(blocked: Sequence[Awaited] | AnyOf) -> bool:
    if isinstance(blocked, AnyOf):
        return any(awaited.done for awaited in blocked.awaited)
    return all(awaited.done for awaited in blocked)


# What a scheduling event must say for an action to be the one that it records: of both, the gist.
_SAYS: Final[Mapping[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]]] = {
    "taskScheduled": (
        lambda a: (a.scheduleTask.name, a.scheduleTask.input.value),
        lambda e: (e.taskScheduled.name, e.taskScheduled.input.value),
    ),
    "timerCreated": (lambda a: a.createTimer.fireAt, lambda e: e.timerCreated.fireAt),
    "subOrchestrationInstanceCreated": (
        lambda a: (a.createSubOrchestration.name, a.createSubOrchestration.input.value),
        lambda e: (
            e.subOrchestrationInstanceCreated.name,
            e.subOrchestrationInstanceCreated.input.value,
        ),
    ),
    "eventSent": (
        lambda a: (a.sendEvent.instance.instanceId, a.sendEvent.data.value),
        lambda e: (e.eventSent.instanceId, e.eventSent.input.value),
    ),
    "entityOperationCalled": (
        lambda a: a.sendEntityMessage.entityOperationCalled.requestId,
        lambda e: e.entityOperationCalled.requestId,
    ),
    "entityOperationSignaled": (
        lambda a: a.sendEntityMessage.entityOperationSignaled.requestId,
        lambda e: e.entityOperationSignaled.requestId,
    ),
    "entityLockRequested": (
        lambda a: a.sendEntityMessage.entityLockRequested.criticalSectionId,
        lambda e: e.entityLockRequested.criticalSectionId,
    ),
    "entityUnlockSent": (
        lambda a: a.sendEntityMessage.entityUnlockSent.targetInstanceId.value,
        lambda e: e.entityUnlockSent.targetInstanceId.value,
    ),
}
_VALUES: Final[Mapping[str, Callable[[Any], Any]]] = {
    "taskCompleted": lambda e: json.loads(e.taskCompleted.result.value),
    "timerFired": lambda _e: None,
    "subOrchestrationInstanceCompleted": lambda e: json.loads(
        e.subOrchestrationInstanceCompleted.result.value
    ),
    "entityOperationCompleted": lambda e: json.loads(e.entityOperationCompleted.output.value),
    "entityLockGranted": lambda _e: None,
}
