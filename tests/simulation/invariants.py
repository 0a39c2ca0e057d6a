"""What must be true of the disk at any moment, and between two moments."""

import json
from typing import Final

from services.scheduler.engine.protos import pb
from services.scheduler.engine.status import Status
from services.scheduler.hub.wire import events_in
from tests.simulation.histories import Story, kind_of, read
from tests.simulation.tables import EntityRow, Picture, Row
from tests.simulation.violation import Violation

_ENDED: Final = "executionCompleted"


class Invariants:
    """Compares each picture with itself and with those before it."""

    def __init__(self) -> None:
        self._chunks: dict[int, tuple[str, list[bytes]]] = {}
        self._past: dict[int, set[str]] = {}
        self._ended: dict[int, Status] = {}
        self._stories: dict[int, tuple[list[bytes], Story]] = {}

    def hold(self, now: Picture) -> None:
        """Raises `Violation` for what must not be."""
        if now.orphans:
            raise Violation(f"rows of nobody: {', '.join(now.orphans)}")
        for row in now.rows.values():
            self._grows(row)
            story = self.story_of(row)
            _agree(row, story)
            self._stays_ended(row)
            _lost_nothing(row, story, now)
            _raised_once(row, story)
        for entity in now.entities.values():
            self._is_locked_by_one(entity, now)

    def story_of(self, row: Row) -> Story:
        """What a row's history tells."""
        known = self._stories.get(row.seq)
        if known is None or known[0] != row.chunks:
            events = events_in(b"".join(row.chunks))
            known = (row.chunks, read(str(row), events))
            self._stories[row.seq] = known
        return known[1]

    def is_inside(self, now: Picture, section: str, entity_id: str) -> bool:
        """Whether some orchestration is inside a critical section at an entity."""
        return any(
            self._acts_alone(row) and self.story_of(row).holds(section, entity_id)
            for row in now.rows.values()
        )

    def _acts_alone(self, row: Row) -> bool:
        """Whether a section in its history is one: an end takes locks away, a rewind asks anew."""
        story = self.story_of(row)
        return not row.status.is_terminal and story.completed is None and not story.rewound

    def _grows(self, row: Row) -> None:
        if row.turns != list(range(len(row.turns))):
            raise Violation(f"the history of {row} has the turns {row.turns}")
        for turn, chunk in enumerate(row.chunks):
            if len(events_in(chunk)) != row.counts[turn]:
                raise Violation(f"turn {turn} of {row} has not {row.counts[turn]} events")
        execution, chunks = self._chunks.get(row.seq, (row.execution_id, []))
        past = self._past.setdefault(row.seq, set())
        if execution != row.execution_id:
            past.add(execution)
        elif row.chunks[: len(chunks)] != chunks and not self._is_cut(row, chunks):
            raise Violation(f"the history of {row} has changed or shrunk")
        if row.execution_id in past:
            raise Violation(f"{row} is again the execution {row.execution_id}")
        self._chunks[row.seq] = (row.execution_id, row.chunks)

    def _is_cut(self, row: Row, before: list[bytes]) -> bool:
        """Whether it only lost its end: it was ended again while it waited to be rewound."""
        known, now = _without_end(before), _without_end(row.chunks)
        return self.story_of(row).rewound and now[: len(known)] == known

    def _stays_ended(self, row: Row) -> None:
        before = self._ended.get(row.seq)
        if before not in (None, Status.FAILED, row.status):
            raise Violation(f"{row} had ended as {before}")
        if row.status.is_terminal:
            self._ended[row.seq] = row.status
        else:
            self._ended.pop(row.seq, None)

    def _is_locked_by_one(self, entity: EntityRow, now: Picture) -> None:
        if entity.section is None:
            holders = [
                str(row)
                for row in now.rows.values()
                if self._acts_alone(row)
                and any(
                    self.story_of(row).holds(section, entity.entity_id)
                    for section in self.story_of(row).granted
                )
            ]
            if holders:
                raise Violation(f"{entity.entity_id} is free, and {holders} are inside")
            return
        owner = None if entity.owner is None else now.find(entity.owner)
        if owner is None or owner.status.is_terminal:
            raise Violation(f"{entity.entity_id} is locked by {owner or entity.owner}")
        story = self.story_of(owner)
        if entity.entity_id not in story.sections.get(entity.section, ()) and not story.rewound:
            raise Violation(f"{entity.entity_id} is locked by {owner}, which does not know it")


def _without_end(chunks: list[bytes]) -> list[bytes]:
    return [
        event.SerializeToString(deterministic=True)
        for event in events_in(b"".join(chunks))
        if not event.HasField("executionCompleted")
    ]


def _agree(row: Row, story: Story) -> None:
    if story.started is not None:
        of = story.started.orchestrationInstance
        if (of.instanceId, of.executionId.value) != (row.instance_id, row.execution_id):
            raise Violation(f"the history of {row} is that of {of}")
    if row.status == Status.PENDING and row.chunks:
        raise Violation(f"{row} has a history of {len(row.chunks)} turns")
    ended = None if story.completed is None else Status(story.completed.orchestrationStatus)
    if row.status.is_terminal and ended != row.status:
        raise Violation(f"{row} has a history that ends as {ended}")
    if ended is not None and not row.status.is_terminal and not row.is_rewinding:
        raise Violation(f"{row} has a history that ends as {ended.name}")
    if row.status.is_terminal and (row.inbox or row.alarms):
        raise Violation(f"{row} has ended, and messages wait for it")


def _lost_nothing(row: Row, story: Story, now: Picture) -> None:
    """Whatever a live history waits for is on its way somewhere."""
    if row.status.is_terminal or row.is_rewinding or story.completed is not None:
        return
    coming = row.on_its_way
    for key, event in story.waits_for.items():
        if key in coming:
            continue
        kind, key_id = key
        found = (kind == "child" and _has_child(row, event, now)) or (
            kind in {"call", "lock"} and _is_queued(str(key_id), now)
        )
        if not found:
            raise Violation(f"{row} waits for {key}, and nothing will answer it")


def _has_child(row: Row, created: pb.HistoryEvent, now: Picture) -> bool:
    child = now.find(created.subOrchestrationInstanceCreated.instanceId)
    return (
        child is not None
        and not child.status.is_terminal
        and child.parent_id == row.instance_id
        and child.parent_execution_id == row.execution_id
    )


def _is_queued(asked: str, now: Picture) -> bool:
    for entity in now.entities.values():
        if any(asked in request_ids(event) for event in entity.queue):
            return True
    return any(asked in request_ids(event) for event in now.delayed)


def request_ids(event: pb.HistoryEvent) -> tuple[str, ...]:
    """What an operation or a lock request is known by."""
    kind = kind_of(event)
    if kind == "entityLockRequested":
        return (event.entityLockRequested.criticalSectionId,)
    if kind == "entityOperationCalled":
        return (event.entityOperationCalled.requestId,)
    return (event.entityOperationSignaled.requestId,)


def events_of(row: Row, story: Story) -> list[str]:
    """The external events that an instance has, wherever they are."""
    raised = (event.eventRaised for event in row.inbox if event.HasField("eventRaised"))
    waiting = [event.input.value for event in raised]
    given = json.loads(row.given) if row.given else {}
    return [*story.raised, *waiting, *given.get("consumed", ())]


def _raised_once(row: Row, story: Story) -> None:
    events = events_of(row, story)
    if len(events) != len(set(events)):
        raise Violation(f"{row} has an event twice: {sorted(events)}")
