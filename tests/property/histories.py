"""Strategies: events, answers that may or may not fit, and actions."""

from typing import Any

from hypothesis import strategies as st

from services.scheduler.engine import events
from services.scheduler.engine.protos import StringValue, pb
from tests.unit.engine import given
from tests.unit.engine.given import FAILURE, NOW

# Few numbers and names, so that they meet.
NUMBERS = st.integers(0, 4)
REQUESTS = st.sampled_from(["r0", "r1", "r2"])
SECTIONS = st.sampled_from(["s0", "s1", "s2"])
ENTITIES = st.sampled_from(["@a@1", "@a@2", "@b@1"])
LOCK_SETS = st.lists(ENTITIES, min_size=1, max_size=3, unique=True)
TEXTS = st.text(max_size=8)
PAYLOADS = st.none() | TEXTS.map(lambda value: StringValue(value=value))
RESULTS = st.sampled_from(
    [
        pb.OperationResult(),
        pb.OperationResult(failure=pb.OperationResultFailure(failureDetails=FAILURE)),
    ]
)

OPENINGS = st.one_of(
    st.builds(given.task, NUMBERS),
    st.builds(given.timer, NUMBERS),
    st.builds(given.child, NUMBERS, st.sampled_from(["c0", "c1"])),
    st.builds(given.call, NUMBERS, REQUESTS),
    st.builds(lambda number, section, set_: given.lock(number, section, *set_),
              NUMBERS, SECTIONS, LOCK_SETS),
)  # fmt: skip
ANSWERS = st.one_of(
    st.builds(lambda number, data: events.task_completed(NOW, number, data), NUMBERS, PAYLOADS),
    st.builds(lambda number: events.task_failed(NOW, number, FAILURE), NUMBERS),
    st.builds(lambda number: events.timer_fired(NOW, number, given.at(NOW)), NUMBERS),
    st.builds(lambda number, data: events.child_completed(NOW, number, data), NUMBERS, PAYLOADS),
    st.builds(lambda number: events.child_failed(NOW, number, FAILURE), NUMBERS),
    st.builds(lambda request, result: events.entity_answered(NOW, request, result),
              REQUESTS, RESULTS),
    st.builds(given.granted, SECTIONS),
)  # fmt: skip
OTHERS = st.one_of(
    st.builds(given.raised, TEXTS, st.none() | TEXTS),
    st.builds(given.unlocked, NUMBERS, SECTIONS, ENTITIES),
    st.just(events.orchestrator_started(NOW)),
    st.builds(lambda reason: events.execution_suspended(NOW, reason), PAYLOADS),
    st.builds(lambda reason: events.execution_resumed(NOW, reason), PAYLOADS),
)
EVENTS = st.one_of(OPENINGS, ANSWERS, OTHERS)
HISTORIES = st.lists(EVENTS, max_size=25).map(lambda rest: [given.start(), *rest])


def _signal(entity: str, data: StringValue | None) -> dict[str, Any]:
    signaled = pb.EntityOperationSignaledEvent(
        operation="add", input=data, targetInstanceId=given.text(entity)
    )
    return {"entityOperationSignaled": signaled}


def _call(entity: str, request: str) -> dict[str, Any]:
    called = pb.EntityOperationCalledEvent(
        operation="get", requestId=request, targetInstanceId=given.text(entity)
    )
    return {"entityOperationCalled": called}


def _lock(section: str, entities: list[str]) -> dict[str, Any]:
    request = pb.EntityLockRequestedEvent(criticalSectionId=section, lockSet=entities)
    return {"entityLockRequested": request}


def _unlock(section: str, entity: str) -> dict[str, Any]:
    sent = pb.EntityUnlockSentEvent(criticalSectionId=section, targetInstanceId=given.text(entity))
    return {"entityUnlockSent": sent}


ENTITY_MESSAGES = st.one_of(
    st.builds(_signal, ENTITIES, PAYLOADS),
    st.builds(_call, ENTITIES, REQUESTS),
    st.builds(_lock, SECTIONS, LOCK_SETS),
    st.builds(_unlock, SECTIONS | st.sampled_from(["t1", "t2"]), ENTITIES),
)
_KINDS = st.one_of(
    st.builds(lambda data: {"scheduleTask": {"name": "act", "input": data}}, PAYLOADS),
    st.just({"createTimer": {"fireAt": given.at(NOW)}}),
    st.builds(
        lambda child, data: {
            "createSubOrchestration": {"name": "sub", "instanceId": child, "input": data}
        },
        st.sampled_from(["", "c0", "c1"]),
        PAYLOADS,
    ),
    st.builds(
        lambda data: {"sendEvent": {"instance": {"instanceId": "o"}, "name": "go", "data": data}},
        PAYLOADS,
    ),
    ENTITY_MESSAGES.map(lambda message: {"sendEntityMessage": message}),
)


def _numbered(kinds: list[dict[str, Any]]) -> list[pb.OrchestratorAction]:
    """Actions under ids of their own, as a worker counts them; a section is asked for once."""
    actions = [given.action(number, **kind) for number, kind in enumerate(kinds, start=1)]
    for action in actions:
        if action.sendEntityMessage.HasField("entityLockRequested"):
            action.sendEntityMessage.entityLockRequested.criticalSectionId = f"t{action.id}"
    return actions


SCHEDULING = st.lists(_KINDS, max_size=12).map(_numbered)
ENDINGS = st.sampled_from(
    [
        pb.ORCHESTRATION_STATUS_COMPLETED,
        pb.ORCHESTRATION_STATUS_FAILED,
        pb.ORCHESTRATION_STATUS_CANCELED,
        pb.ORCHESTRATION_STATUS_TERMINATED,
        pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW,
    ]
).map(lambda status: given.complete(99, orchestrationStatus=status))
