"""Folding depends on what happened and on nothing else."""

from collections import Counter

from hypothesis import given as for_all
from hypothesis import strategies as st

from services.scheduler.engine.instance import Instance, fold_all, receive
from services.scheduler.engine.protos import pb
from tests.property import histories

# What answers what, and by which of its fields.
ANSWERS = {
    "taskCompleted": ("task", "taskScheduledId"),
    "taskFailed": ("task", "taskScheduledId"),
    "timerFired": ("timer", "timerId"),
    "subOrchestrationInstanceCompleted": ("child", "taskScheduledId"),
    "subOrchestrationInstanceFailed": ("child", "taskScheduledId"),
    "entityOperationCompleted": ("call", "requestId"),
    "entityOperationFailed": ("call", "requestId"),
    "entityLockGranted": ("section", "criticalSectionId"),
}


def open_of(instance: Instance) -> Counter[tuple[str, object]]:
    """Everything that an instance waits for."""
    return Counter(
        [
            *(("task", one) for one in instance.open_tasks),
            *(("timer", one) for one in instance.open_timers),
            *(("child", one) for one in instance.open_children),
            *(("call", one) for one in instance.open_calls),
            *(("section", one) for one in instance.asked_sections),
        ]
    )


def answered_by(event: pb.HistoryEvent) -> tuple[str, object] | None:
    kind = event.WhichOneof("eventType") or ""
    if kind not in ANSWERS:
        return None
    what, field = ANSWERS[kind]
    return what, getattr(getattr(event, kind), field)


@for_all(history=histories.HISTORIES, cuts=st.lists(st.integers(0, 26), max_size=4))
def test_folding_in_pieces_is_folding_at_once(
    history: list[pb.HistoryEvent], cuts: list[int]
) -> None:
    whole = fold_all(history)
    pieces = Instance()
    before = 0
    for cut in [*sorted(cuts), len(history)]:
        pieces = fold_all(history[before:cut], onto=pieces)
        before = max(before, cut)
    assert pieces == whole


@for_all(history=histories.HISTORIES)
def test_receiving_is_folding_what_is_accepted(history: list[pb.HistoryEvent]) -> None:
    received, accepted = receive(Instance(), history)
    assert received == fold_all(history) == fold_all(accepted)


@for_all(history=histories.HISTORIES, arrived=st.lists(histories.ANSWERS, max_size=20))
def test_every_open_thing_is_resolved_once_at_most_whatever_arrives(
    history: list[pb.HistoryEvent], arrived: list[pb.HistoryEvent]
) -> None:
    before = fold_all(history)
    after, accepted = receive(before, [*arrived, *arrived])
    resolved = Counter(answered_by(event) for event in accepted)
    assert all(times == 1 for times in resolved.values())
    assert open_of(before) - open_of(after) == resolved
    assert set(open_of(after)) <= set(open_of(before))


@for_all(
    history=histories.HISTORIES,
    arrived=st.lists(histories.ANSWERS, max_size=12),
    data=st.data(),
)
def test_the_order_of_answers_decides_which_is_taken_but_not_what_is_resolved(
    history: list[pb.HistoryEvent], arrived: list[pb.HistoryEvent], data: st.DataObject
) -> None:
    before = fold_all(history)
    shuffled = data.draw(st.permutations(arrived))
    assert receive(before, arrived)[0] == receive(before, shuffled)[0]


@for_all(history=histories.HISTORIES, arrived=st.lists(histories.EVENTS, max_size=12))
def test_what_is_accepted_keeps_its_order_and_receiving_it_again_adds_nothing(
    history: list[pb.HistoryEvent], arrived: list[pb.HistoryEvent]
) -> None:
    before = fold_all(history)
    after, accepted = receive(before, arrived)
    assert receive(before, accepted) == (after, accepted)
    rest = iter(arrived)
    assert all(any(one is event for event in rest) for one in accepted)


@for_all(history=histories.HISTORIES, more=st.lists(histories.EVENTS, max_size=8))
def test_an_instance_never_changes(
    history: list[pb.HistoryEvent], more: list[pb.HistoryEvent]
) -> None:
    before = fold_all(history)
    fold_all(more, onto=before)
    receive(before, more)
    assert before == fold_all(history)
