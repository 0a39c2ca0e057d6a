from services.scheduler.dispatch.items import Kind, Work
from services.scheduler.dispatch.shelves import Shelves
from tests.unit.dispatch.recorder import activity


def drained(
    shelves: Shelves, kind: Kind = Kind.ACTIVITY
) -> list[tuple[str, str | None, list[int]]]:
    """Everything that is there, shelf by shelf."""
    found = []
    for _order, shelf in list(shelves.heads(kind)):
        seqs = []
        while shelves.head(shelf) is not None:
            seqs.append(shelves.pop(shelf)[1].seq)
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
    assert [order for order, _shelf in shelves.heads(Kind.ACTIVITY)] == [2]
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
