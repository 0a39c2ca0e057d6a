"""Lists of entities, held against a plain filter of the same rows."""

import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.scheduler.store import entity_listing
from services.scheduler.store.database import open_writer
from services.scheduler.store.entity_listing import EntityListing, EntitySelection
from services.scheduler.store.listing import Total
from services.scheduler.store.statements import SQL

ROWS = 200


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    connection = open_writer(tmp_path_factory.mktemp("entities") / "hub.db")
    connection.executemany(
        "INSERT INTO entities (entity_id, state, modified_at) VALUES (?, ?, ?)",
        [
            (f"@{'cart' if n % 3 else 'cell'}@{n:03d}", None if n % 5 == 0 else "x" * n, n * 7 % 97)
            for n in range(ROWS)
        ],
    )
    yield connection
    connection.close()


def plain(connection: sqlite3.Connection, asked: EntitySelection) -> list[str]:
    rows = connection.execute("SELECT entity_id, state, modified_at FROM entities ORDER BY 1")
    return [
        entity_id
        for entity_id, state, modified_at in rows
        if entity_id.startswith(asked.prefix)
        and (asked.transient or state is not None)
        and (asked.modified_from is None or modified_at >= asked.modified_from)
        and (asked.modified_to is None or modified_at < asked.modified_to)
    ]


times = st.none() | st.integers(-5, 105)
selections = st.builds(
    EntitySelection,
    prefix=st.sampled_from(("", "@cart@", "@cell@1", "@cart@100", "@zzz")),
    modified_from=times,
    modified_to=times,
    transient=st.booleans(),
)
SHARED = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@SHARED
@given(
    asked=selections,
    bounds=st.tuples(st.sampled_from((1, 7, 50)), st.sampled_from((0, 300, 10**6))),
    window=st.sampled_from((1, 9, 5_000)),
    full=st.booleans(),
)
def test_pages_together_are_what_a_plain_filter_gives(
    filled: sqlite3.Connection,
    asked: EntitySelection,
    bounds: tuple[int, int],
    window: int,
    full: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    size, bytes_max = bounds
    found: list[str] = []
    after: str | None = ""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entity_listing, "WINDOW", window)
        patch.setattr(entity_listing, "TESTED_MAX", window * 4)
        while after is not None:
            listing = EntityListing(filled, asked)
            page = listing.page(after, size, full=full, bytes_max=bytes_max)
            assert len(page.rows) <= size
            assert page.after is None or page.after > after
            found += [row[1] for row in page.rows]
            after = page.after
    assert found == plain(filled, asked)


@SHARED
@given(asked=selections, counted=st.sampled_from((5, 10_000)), tested=st.sampled_from((20, 10**5)))
def test_a_total_is_right_or_says_that_there_are_more(
    filled: sqlite3.Connection, asked: EntitySelection, counted: int, tested: int
) -> None:
    number = len(plain(filled, asked))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entity_listing, "COUNTED_MAX", counted)
        patch.setattr(entity_listing, "WINDOW", 10)
        patch.setattr(entity_listing, "TESTED_MAX", tested)
        total = EntityListing(filled, asked).total()
    if total.is_exact:
        assert total.number == number
    else:
        assert total.number <= min(number, counted)
    if (counted, tested) == (10_000, 10**5):
        assert total == Total(number=number, is_exact=True)


def test_a_filter_that_matches_nothing_ends_with_a_short_page_that_says_where_to_go_on(
    filled: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entity_listing, "WINDOW", 10)
    monkeypatch.setattr(entity_listing, "TESTED_MAX", 40)
    listing = EntityListing(filled, EntitySelection(modified_from=1_000))
    page = listing.page("", 50, full=False, bytes_max=10**6)
    assert (page.rows, page.after) == (
        [],
        sorted(plain(filled, EntitySelection(transient=True)))[39],
    )
    assert listing.total() == Total(number=0, is_exact=False)


@pytest.mark.parametrize("name", ["entity_window", "list_entities", "count_entities"])
def test_neither_a_list_nor_a_total_scans_or_sorts(filled: sqlite3.Connection, name: str) -> None:
    values = EntitySelection(modified_from=5).values
    values |= {"after": "", "end": "@x", "window": 5, "full": False, "limit": 5}
    steps = [step[3] for step in filled.execute(f"EXPLAIN QUERY PLAN {SQL[name]}", values)]
    of_entities = [step for step in steps if " e " in f"{step} "]
    assert all("SEARCH e USING" in step and "entities_by_id" in step for step in of_entities)
    assert not [step for step in steps if "TEMP B-TREE" in step]
