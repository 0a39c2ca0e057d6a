"""Histories are read from any event on, and a position in one that is gone is told."""

import sqlite3

import pytest

from services.scheduler.engine.protos import pb
from services.scheduler.errors import BadRequestError, InstanceNotFoundError, NotFoundError
from services.scheduler.hub.histories import History, Position
from services.scheduler.hub.wire import history_chunk
from services.scheduler.store.store import Store
from tests.unit.engine.given import EXECUTION, NOW, event, started

# More turns than one read takes, some of them empty.
TURNS = [n % 4 for n in range(150)]


def named(number: int) -> pb.HistoryEvent:
    return event(number, eventRaised=pb.EventRaisedEvent(name=f"e{number}"))


@pytest.fixture
def events(store: Store) -> list[pb.HistoryEvent]:
    """The events of `order-1`, turn by turn."""
    seq = store.add_instance(started(), NOW, None).seq
    written: list[pb.HistoryEvent] = []
    for turn, number in enumerate(TURNS):
        added = [named(len(written) + n) for n in range(number)]
        store.append_history(seq, turn, number, history_chunk(added))
        written += added
    return written


def test_every_position_leads_to_the_events_behind_it(
    writer: sqlite3.Connection, events: list[pb.HistoryEvent]
) -> None:
    history = History(writer, "order-1", EXECUTION)
    found = list(history.events(Position()))
    assert [one for _place, _size, one in found] == events
    assert [place.index for place, _size, _one in found] == list(range(len(events)))
    for place, _size, _one in found[::7]:
        total, _end = history.size(place)
        assert total == len(events)
        assert [one for _place, _size, one in history.events(place)] == events[place.index :]


def test_the_end_is_where_the_next_event_will_stand(
    writer: sqlite3.Connection, store: Store, events: list[pb.HistoryEvent]
) -> None:
    history = History(writer, "order-1", EXECUTION)
    _total, end = history.size(Position())
    assert list(history.events(end)) == []
    assert history.size(end)[1] == end
    store.append_history(1, len(TURNS), 1, history_chunk([named(999)]))
    ((place, size, one),) = history.events(end)
    assert (place, size, one.eventId) == (end, one.ByteSize(), 999)
    assert end.index == len(events)


def test_one_event_is_found_by_its_index(
    writer: sqlite3.Connection, events: list[pb.HistoryEvent]
) -> None:
    history = History(writer, "order-1", EXECUTION)
    for index in range(0, len(events), 11):
        assert history.event(index) == events[index]
    with pytest.raises(NotFoundError, match=f"has {len(events)} events"):
        history.event(len(events))


def test_a_position_in_a_history_that_was_replaced_is_told(
    writer: sqlite3.Connection, store: Store, events: list[pb.HistoryEvent]
) -> None:
    history = History(writer, "order-1", EXECUTION)
    _total, end = history.size(Position())
    store.delete_history(1)
    store.append_history(1, 0, 2, history_chunk(events[:2]))
    for place in (end, Position(index=5, turn=3, offset=2), Position(offset=1)):
        with pytest.raises(BadRequestError, match="has been replaced"):
            history.size(place)
    assert history.size(Position())[0] == 2


def test_another_execution_and_a_missing_instance_are_not_found(
    writer: sqlite3.Connection, events: list[pb.HistoryEvent]
) -> None:
    assert events
    with pytest.raises(NotFoundError, match=f"the present one is {EXECUTION}"):
        History(writer, "order-1", "f" * 32)
    with pytest.raises(InstanceNotFoundError, match="nobody"):
        History(writer, "nobody", EXECUTION)


def test_a_position_inside_an_event_is_told_unless_an_event_can_be_read_there(
    writer: sqlite3.Connection, events: list[pb.HistoryEvent]
) -> None:
    history = History(writer, "order-1", EXECUTION)
    assert events
    told = 0
    for byte in (*range(1, 60), 2**40):
        try:
            list(history.events(Position(turn=1, byte=byte)))
        except BadRequestError:
            told += 1
    assert told > 0
