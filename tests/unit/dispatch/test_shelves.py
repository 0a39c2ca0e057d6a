from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from services.scheduler.dispatch.items import Kind, Work
from services.scheduler.dispatch.shelves import Shelves
from tests.unit.dispatch.recorder import activity


def drained(
    shelves: Shelves, kind: Kind = Kind.ACTIVITY
) -> list[tuple[str, str | None, list[int]]]:
    """Everything that is there, shelf by shelf."""
    found = []
    while (shelf := shelves.next(kind)) is not None:
        seqs = []
        while shelves.head(shelf) is not None:
            seqs.append(shelves.pop(shelf)[1].seq)
        shelves.put_back(shelf)
        found.append((shelf.name, shelf.version, seqs))
    return found


def test_an_empty_hub_has_no_shelves() -> None:
    shelves = Shelves()
    assert drained(shelves) == []
    assert shelves.count() == dict.fromkeys(Kind, 0)


def test_the_oldest_comes_first_whenever_it_was_put() -> None:
    shelves = Shelves()
    for order in (3, 1, 2):
        shelves.put(activity(order * 10), order)
    assert drained(shelves) == [("act", None, [10, 20, 30])]


def test_names_and_versions_have_shelves_of_their_own() -> None:
    shelves = Shelves()
    for seq, (name, version) in enumerate([("a", None), ("a", ""), ("a", "1"), ("b", None)]):
        shelves.put(activity(seq, name, version), seq)
    assert drained(shelves) == [
        ("a", None, [0]),
        ("a", "", [1]),
        ("a", "1", [2]),
        ("b", None, [3]),
    ]


def test_kinds_do_not_mix() -> None:
    shelves = Shelves()
    shelves.put(activity(1), 1)
    shelves.put(Work(kind=Kind.ENTITY, seq=1, name="act"), 2)
    assert shelves.count() == {Kind.ORCHESTRATION: 0, Kind.ACTIVITY: 1, Kind.ENTITY: 1}
    shelves.withdraw((Kind.ACTIVITY, 1))
    assert drained(shelves) == []
    assert drained(shelves, Kind.ENTITY) == [("act", None, [1])]


def test_what_is_withdrawn_is_gone_and_the_next_one_is_the_head() -> None:
    shelves = Shelves()
    for seq in (1, 2):
        shelves.put(activity(seq), seq)
    shelves.withdraw((Kind.ACTIVITY, 1))
    assert (Kind.ACTIVITY, 1) not in shelves
    assert (Kind.ACTIVITY, 2) in shelves
    shelf = shelves.next(Kind.ACTIVITY)
    assert shelf is not None
    assert shelves.head(shelf) == 2
    shelves.put_back(shelf)
    assert drained(shelves) == [("act", None, [2])]


def test_withdrawing_what_is_not_there_changes_nothing() -> None:
    shelves = Shelves()
    shelves.put(activity(1), 1)
    shelves.withdraw((Kind.ACTIVITY, 2))
    assert drained(shelves) == [("act", None, [1])]


def test_what_is_put_again_after_a_withdrawal_comes_once_and_in_its_new_place() -> None:
    shelves = Shelves()
    shelves.put(activity(1), 1)
    shelves.put(activity(2), 2)
    shelves.withdraw((Kind.ACTIVITY, 1))
    shelves.put(activity(1), 3)
    assert drained(shelves) == [("act", None, [2, 1])]


def test_what_is_put_again_under_another_version_leaves_its_old_shelf() -> None:
    shelves = Shelves()
    shelves.put(activity(1, version="1.0"), 1)
    shelves.withdraw((Kind.ACTIVITY, 1))
    shelves.put(activity(1, version="2.0"), 2)
    assert drained(shelves) == [("act", "2.0", [1])]


def in_turn(shelves: Shelves) -> list[int]:
    """Everything that is there, each time the oldest of all."""
    found = []
    while (shelf := shelves.next(Kind.ACTIVITY)) is not None:
        found.append(shelves.pop(shelf)[1].seq)
        shelves.put_back(shelf)
    return found


def test_the_oldest_of_all_shelves_comes_next() -> None:
    shelves = Shelves()
    for order, name in enumerate("abacbabca"):
        shelves.put(activity(order, name), order)
    assert in_turn(shelves) == list(range(9))


def test_an_older_item_brings_its_shelf_forward() -> None:
    shelves = Shelves()
    for order, name in ((5, "a"), (3, "b"), (1, "a"), (2, "c")):
        shelves.put(activity(order, name), order)
    assert in_turn(shelves) == [1, 2, 3, 5]


def test_a_shelf_that_lost_its_oldest_item_is_queued_by_the_next_one() -> None:
    shelves = Shelves()
    for order, name in ((1, "a"), (4, "a"), (2, "b")):
        shelves.put(activity(order, name), order)
    shelves.withdraw((Kind.ACTIVITY, 1))
    assert in_turn(shelves) == [2, 4]


def test_a_shelf_set_aside_is_not_seen_until_somebody_looks_again() -> None:
    shelves = Shelves()
    shelves.put(activity(1, "unwanted"), 1)
    shelves.put(activity(2, "wanted"), 2)
    shelf = shelves.next(Kind.ACTIVITY)
    assert shelf is not None
    assert shelf.name == "unwanted"
    shelves.set_aside(shelf)
    # More of the same is set aside with it, and all of it counts as waiting.
    shelves.put(activity(0, "unwanted"), 0)
    assert in_turn(shelves) == [2]
    assert shelves.count()[Kind.ACTIVITY] == 2
    shelves.look_again()
    assert in_turn(shelves) == [0, 1]


def test_a_shelf_emptied_while_it_was_aside_is_gone() -> None:
    shelves = Shelves()
    shelves.put(activity(1), 1)
    shelf = shelves.next(Kind.ACTIVITY)
    assert shelf is not None
    shelves.set_aside(shelf)
    shelves.withdraw((Kind.ACTIVITY, 1))
    # Without anybody who looks again: what comes now is on another shelf.
    shelves.put(activity(3), 3)
    assert in_turn(shelves) == [3]
    shelves.look_again()
    shelves.put(activity(2), 2)
    assert in_turn(shelves) == [2]


def ready(shelves: Shelves) -> Counter[tuple[Kind, str, str | None]]:
    """How much there is, counted one by one."""
    return Counter(
        (kind, work.name, work.version)
        for kind, items in shelves._ready.items()  # noqa: SLF001 - what it counts
        for _order, _seq, work in items.values()
    )


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["put", "rename", "withdraw", "pop", "set aside", "look again"]),
            st.integers(0, 5),
            st.sampled_from(["a", "b"]),
            st.sampled_from([None, "1"]),
        ),
        max_size=40,
    )
)
def test_counts_and_order_are_right_whatever_happens(
    steps: list[tuple[str, int, str, str | None]],
) -> None:
    shelves = Shelves()
    orders: dict[int, int] = {}
    for number, (step, seq, name, version) in enumerate(steps):
        # Every third comes back, and is older than those before it.
        order = -number if number % 3 == 0 else number
        key = (Kind.ACTIVITY, seq)
        if step == "look again":
            shelves.look_again()
        elif step == "withdraw":
            shelves.withdraw(key)
        elif step in {"put", "rename"} and (key in shelves) == (step == "rename"):
            work = activity(seq, name, version)
            if step == "rename":
                shelves.rename(work)
            else:
                shelves.put(work, order)
                orders[seq] = order
        elif step in {"pop", "set aside"} and (shelf := shelves.next(Kind.ACTIVITY)) is not None:
            if step == "pop":
                shelves.pop(shelf)
                shelves.put_back(shelf)
            else:
                shelves.set_aside(shelf)
        assert shelves.names() == ready(shelves)
        assert shelves.count()[Kind.ACTIVITY] == ready(shelves).total()
    shelves.look_again()
    left = ready(shelves).total()
    found = drained(shelves)
    assert sum(len(seqs) for _name, _version, seqs in found) == left
    for _name, _version, seqs in found:
        assert seqs == sorted(seqs, key=orders.__getitem__)
