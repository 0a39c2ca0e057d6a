"""Critical sections over the same entities: all of them get their locks, and none for ever."""

from collections import deque
from dataclasses import dataclass, field

from hypothesis import given as for_all
from hypothesis import strategies as st

from services.scheduler.engine.effects import SendEvent, SendOperation
from services.scheduler.engine.entity import Entity, grant, unlock
from services.scheduler.engine.instance import Instance
from services.scheduler.engine.protos import pb
from tests.property import histories
from tests.unit.engine import given
from tests.unit.engine.given import NOW, decided, entity_action

LOCK_SETS = st.lists(st.lists(histories.ENTITIES, min_size=1, max_size=4), min_size=1, max_size=6)


@dataclass
class Queues:
    """Entities, each with the lock requests that wait for it."""

    entities: dict[str, Entity] = field(default_factory=dict)
    waiting: dict[str, deque[pb.EntityLockRequestedEvent]] = field(default_factory=dict)
    granted: list[str] = field(default_factory=list)

    def send(self, operation: SendOperation) -> None:
        """A request at the end of an entity's queue."""
        self.entities.setdefault(operation.entity_id, Entity(entity_id=operation.entity_id))
        queue = self.waiting.setdefault(operation.entity_id, deque())
        queue.append(operation.event.entityLockRequested)

    def settle(self) -> None:
        """Grants what can be granted, until nothing moves."""
        moved = True
        while moved:
            moved = False
            for entity_id, queue in list(self.waiting.items()):
                if not queue or self.entities[entity_id].section is not None:
                    continue
                moved = True
                decision = grant(self.entities[entity_id], queue.popleft(), now=NOW)
                self.entities[entity_id] = decision.entity
                (effect,) = decision.effects
                if isinstance(effect, SendOperation):
                    self.send(effect)
                elif isinstance(effect, SendEvent):
                    self.granted.append(effect.event.entityLockGranted.criticalSectionId)

    def locked_by(self, section: str) -> set[str]:
        """The entities that a section has locked."""
        return {one.entity_id for one in self.entities.values() if one.section == section}

    def end(self, section: str) -> None:
        """Unlocks all that a section has locked."""
        self.entities = {key: unlock(one, section) for key, one in self.entities.items()}


def requested(of: Instance, section: str, entities: list[str]) -> SendOperation:
    request = pb.EntityLockRequestedEvent(criticalSectionId=section, lockSet=entities)
    (effect,) = decided(of, entity_action(1, entityLockRequested=request)).effects
    assert isinstance(effect, SendOperation)
    return effect


@for_all(lock_sets=LOCK_SETS, data=st.data())
def test_sections_never_wait_for_one_another_and_never_share_an_entity(
    lock_sets: list[list[str]], data: st.DataObject
) -> None:
    queues = Queues()
    wanted = {f"s{number}": set(entities) for number, entities in enumerate(lock_sets)}
    for section, entities in data.draw(st.permutations(list(enumerate(lock_sets)))):
        queues.send(requested(given.instance(), f"s{section}", entities))
        if data.draw(st.booleans()):
            queues.settle()
    queues.settle()
    ended: list[str] = []
    while len(ended) < len(wanted):
        inside = [section for section in queues.granted if section not in ended]
        assert inside, "every section waits for another"
        assert all(queues.locked_by(section) == wanted[section] for section in inside)
        leaving = data.draw(st.sampled_from(inside))
        queues.end(leaving)
        ended.append(leaving)
        queues.settle()
    assert sorted(queues.granted) == sorted(wanted)
    assert all(one.section is None for one in queues.entities.values())
