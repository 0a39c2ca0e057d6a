"""Lists by every column and filter, held against a plain sort and filter of the same rows."""

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.scheduler.store import listing
from services.scheduler.store.database import open_writer
from services.scheduler.store.filters import Column, Filter, Key, Sort
from services.scheduler.store.listing import Listing, Total

ROWS = 400
STATUSES = (0, 1, 3, 5, 6, 7)
NAMES = ("alpha", "beta", "gamma", "Ünïcode")
COLUMNS = "seq, instance_id, name, status, parent_id, created_at, updated_at"
INSERT = (
    "INSERT INTO instances (instance_id, execution_id, name, status, parent_id, created_at,"
    " updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)"
)


def row(number: int) -> tuple[Any, ...]:
    """Rows with many ties, a clock that was set back once, and few roots with many children."""
    parent = None if number % 4 == 0 else f"run-{number // 8 * 8:03d}"
    created = number // 3 - (50 if number > ROWS // 2 else 0)
    return (
        f"run-{number:03d}" if number % 4 == 0 else f"{parent}:{number % 8:04x}",
        f"{number:032x}",
        NAMES[number * 7 % 11 % len(NAMES)],
        STATUSES[number * 5 % 13 % len(STATUSES)],
        parent,
        created,
        created + number * 31 % 17,
    )


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    connection = open_writer(tmp_path_factory.mktemp("listing") / "hub.db")
    connection.executemany(INSERT, map(row, range(ROWS)))
    yield connection
    connection.close()


def passes(asked: Filter, values: dict[str, Any]) -> bool:
    tests = (
        not asked.statuses or values["status"] in asked.statuses,
        asked.name in (None, values["name"]),
        values["instance_id"].startswith(asked.prefix or ""),
        asked.parent_id in (None, values["parent_id"]),
        not asked.roots_only or values["parent_id"] is None,
        asked.instance_ids is None or values["instance_id"] in asked.instance_ids,
        asked.created_from is None or values["created_at"] >= asked.created_from,
        asked.created_to is None or values["created_at"] < asked.created_to,
        asked.updated_from is None or values["updated_at"] >= asked.updated_from,
        asked.updated_to is None or values["updated_at"] < asked.updated_to,
    )
    return all(tests)


def plain(connection: sqlite3.Connection, asked: Filter, sort: Sort) -> list[Key]:
    found = []
    names = COLUMNS.split(", ")
    for raw in connection.execute(f"SELECT {COLUMNS} FROM instances"):  # noqa: S608 - constants
        values = dict(zip(names, raw, strict=True))
        if passes(asked, values):
            found.append(tuple(values[column] for column in sort.key))
    return sorted(found, reverse=sort.descending)


def paged(connection: sqlite3.Connection, asked: Filter, sort: Sort, size: int) -> list[Key]:
    found: list[Key] = []
    after: Key | None = None
    for _ in range(2 * ROWS):
        page = Listing(connection, asked, sort).page(after, size)
        assert len(page.keys) <= size
        found += page.keys
        after = page.after
        if after is None:
            return found
    raise AssertionError("it has no end")


times = st.none() | st.integers(-5, 140)
filters = st.builds(
    Filter,
    statuses=st.lists(st.sampled_from(STATUSES), max_size=3, unique=True).map(tuple),
    name=st.none() | st.sampled_from((*NAMES, "none")),
    prefix=st.none() | st.sampled_from(("", "run-", "run-1", "run-12", "run-016:", "zzz")),
    created_from=times,
    created_to=times,
    updated_from=times,
    updated_to=times,
    parent_id=st.none() | st.sampled_from(("run-016", "run-200", "none")),
    roots_only=st.booleans(),
    instance_ids=st.none()
    | st.lists(st.sampled_from([row(n)[0] for n in range(0, ROWS, 9)]), max_size=9).map(tuple),
)
sorts = st.builds(Sort, column=st.sampled_from(Column), descending=st.booleans())
# What decides between the ways to read a list: rows that are sorted, and rows of a window.
bounds = st.tuples(st.sampled_from((0, 5, 50, 10_000)), st.sampled_from((1, 7, 5_000)))


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(asked=filters, sort=sorts, size=st.sampled_from((1, 7, 50)), bound=bounds)
def test_pages_together_are_what_a_plain_sort_and_filter_gives(
    filled: sqlite3.Connection, asked: Filter, sort: Sort, size: int, bound: tuple[int, int]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "COUNTED_MAX", bound[0])
        patch.setattr(listing, "WINDOW", bound[1])
        patch.setattr(listing, "TESTED_MAX", bound[1] * 20)
        assert paged(filled, asked, sort, size) == plain(filled, asked, sort)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(asked=filters, sort=sorts, counted=st.sampled_from((5, 10_000)))
def test_a_total_is_right_or_says_that_there_are_more(
    filled: sqlite3.Connection, asked: Filter, sort: Sort, counted: int
) -> None:
    number = len(plain(filled, asked, sort))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "COUNTED_MAX", counted)
        patch.setattr(listing, "TESTED_FOR_TOTAL_MAX", counted)
        total = Listing(filled, asked, sort).total()
    if total.is_exact:
        assert total.number == number
    else:
        assert total.number <= min(number, counted)
    if counted > ROWS:
        assert total == Total(number=number, is_exact=True)


def plans(connection: sqlite3.Connection, asked: Filter, sort: Sort) -> list[str]:
    """How SQLite reads a first page, a deep one, and the total."""
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    try:
        found = Listing(connection, asked, sort)
        page = found.page(None, 3)
        found.page(page.after, 3)
        found.total()
    finally:
        connection.set_trace_callback(None)
    return [
        step[3]
        for statement in statements
        for step in connection.execute(f"EXPLAIN QUERY PLAN {statement}")
    ]


SINGLE = {
    "all": Filter(),
    "roots": Filter(roots_only=True),
    "one status": Filter(statuses=(1,)),
    "statuses": Filter(statuses=(0, 1, 3)),
    "name": Filter(name="alpha"),
    "parent": Filter(parent_id="run-016"),
    "created": Filter(created_from=10, created_to=90),
    "roots, status and created": Filter(roots_only=True, statuses=(1,), created_from=10),
    "roots, name and created": Filter(roots_only=True, name="beta", created_to=90),
}


@pytest.mark.parametrize("asked", SINGLE.values(), ids=SINGLE.keys())
def test_a_list_in_the_order_of_creation_neither_scans_nor_sorts(
    filled: sqlite3.Connection, asked: Filter
) -> None:
    steps = plans(filled, asked, Sort())
    assert steps
    assert [s for s in steps if s.startswith("SCAN instances") or "TEMP B-TREE" in s] == []


@pytest.mark.parametrize("column", Column)
@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("roots_only", [True, False])
def test_a_list_in_any_order_neither_scans_nor_sorts(
    filled: sqlite3.Connection,
    monkeypatch: pytest.MonkeyPatch,
    column: Column,
    descending: bool,  # noqa: FBT001 - a parameter of the test
    roots_only: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    # Many rows: few may be sorted for the occasion.
    monkeypatch.setattr(listing, "COUNTED_MAX", 5)
    asked, sort = Filter(roots_only=roots_only), Sort(column=column, descending=descending)
    steps = [step for step in plans(filled, asked, sort) if "sqlite_autoindex" not in step]
    assert [s for s in steps if s.startswith("SCAN instances") or "TEMP B-TREE" in s] == []


def test_a_filter_that_matches_nothing_ends_with_a_short_page_that_says_where_to_go_on(
    filled: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "COUNTED_MAX", 5)
    monkeypatch.setattr(listing, "WINDOW", 10)
    monkeypatch.setattr(listing, "TESTED_MAX", 40)
    # Each of the two leaves many rows, both together none.
    asked = Filter(created_to=60, updated_from=77)
    found = Listing(filled, asked, Sort(column=Column.NAME))
    page = found.page(None, 50)
    assert page.keys == []
    assert page.after is not None
    assert found.page(page.after, 50).after != page.after


@pytest.mark.parametrize("column", [Column.STATUS, Column.NAME])
def test_a_range_behind_another_column_is_looked_for_in_windows(
    filled: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, column: Column
) -> None:
    monkeypatch.setattr(listing, "COUNTED_MAX", 5)
    monkeypatch.setattr(listing, "WINDOW", 10)
    monkeypatch.setattr(listing, "TESTED_MAX", 40)
    # A dozen rows, of every status and name: along the index they stand far apart.
    asked = Filter(created_from=80)
    page = Listing(filled, asked, Sort(column=column)).page(None, 50)
    assert len(page.keys) < len(plain(filled, asked, Sort(column=column)))
    assert page.after is not None


def test_a_total_that_was_cut_is_not_called_exact(
    filled: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "COUNTED_MAX", 5)
    monkeypatch.setattr(listing, "TESTED_FOR_TOTAL_MAX", 2 * ROWS)
    asked = Filter(created_from=0, updated_from=10)
    assert Listing(filled, asked, Sort()).total() == Total(number=5, is_exact=False)
