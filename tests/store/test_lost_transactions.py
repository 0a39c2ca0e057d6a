"""A use case meets an error of the disk: what is told, and what becomes of its group."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from services.scheduler.errors import StoppingError
from tests.store.groups import Group
from tests.store.loops import on_a_loop
from tests.store.test_commits import LARGE, failed_commit, turns


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "hub.db"


@on_a_loop
async def test_an_error_that_leaves_the_transaction_whole_stops_everything_all_the_same(
    file: Path,
) -> None:
    group = Group(file)
    group.write(1)
    damage = sqlite3.DatabaseError("database disk image is malformed")

    def meets_it() -> None:
        group.add(2)
        raise damage

    with pytest.raises(sqlite3.DatabaseError):
        group.fail_after(meets_it)
    assert group.failures == [damage]
    await turns()
    assert group.on_disk() == []


@on_a_loop
async def test_a_transaction_that_was_lost_on_the_way_to_another_error_is_told(file: Path) -> None:
    group = Group(file)
    group.write(1)
    group.fill()

    def overlooks_it() -> None:
        with contextlib.suppress(sqlite3.OperationalError):
            group.add(2, LARGE)

    with pytest.raises(LookupError):
        group.fail_after(overlooks_it)
    [lost] = group.failures
    assert "no such savepoint" in str(lost)
    await turns()
    assert group.on_disk() == []


@on_a_loop
async def test_after_a_failure_whatever_is_to_be_written_is_refused_at_once(file: Path) -> None:
    group = Group(file)
    await failed_commit(group)
    with pytest.raises(StoppingError):
        group.write(2)
    # A result, whose reply would otherwise be waited for without an end.
    with pytest.raises(StoppingError):
        group.commits.before_commit(lambda: group.write(3))
    assert len(group.failures) == 1
