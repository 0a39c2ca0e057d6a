"""Groups of commits: what is on the disk, who is released, and what a failure does."""

import asyncio
import contextlib
import resource
import sqlite3
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from services.scheduler.store.database import open_writer
from tests.store.groups import Group
from tests.store.loops import on_a_loop
from tests.unit.dispatch.virtual_time import elapsed, in_virtual_time

LARGE = 1_000_000


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """What a full disk is to a process: writes behind `size` bytes fail."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def turns(number: int = 5) -> None:
    """Lets everything that is ready on the loop run."""
    for _ in range(number):
        await asyncio.sleep(0)


@on_a_loop
async def test_many_use_cases_are_one_commit(file: Path) -> None:
    group = Group(file)
    for instance in range(100):
        group.write(instance)
    assert group.commits.is_open
    assert group.on_disk() == []
    await group.commits.durable()
    assert group.on_disk() == list(range(100))
    assert group.commits.counts.commits == 1
    assert group.told == 1
    assert not group.commits.is_open


@on_a_loop
async def test_a_use_case_that_begins_while_others_wait_is_in_their_commit(file: Path) -> None:
    group = Group(file)

    async def call(instance: int) -> list[int]:
        group.write(instance)
        await group.commits.durable()
        return group.on_disk()

    assert await asyncio.gather(*map(call, range(3))) == [[0, 1, 2]] * 3
    assert group.commits.counts.commits == 1
    assert await call(3) == [0, 1, 2, 3]
    assert group.commits.counts.commits == 2


@on_a_loop
async def test_a_use_case_that_fails_takes_only_itself_back(file: Path) -> None:
    group = Group(file)
    group.write(1)
    with pytest.raises(LookupError):
        group.fail_after(lambda: group.add(2))
    group.write(3)
    await group.commits.durable()
    assert group.on_disk() == [1, 3]
    assert group.failures == []


@on_a_loop
async def test_a_use_case_within_another_fails_alone_or_with_it(file: Path) -> None:
    group = Group(file)
    with group.commits.use_case():
        group.add(1)
        with pytest.raises(LookupError):
            group.fail_after(lambda: group.add(2))
    with pytest.raises(LookupError):
        group.fail_after(lambda: group.write(3))
    await group.commits.durable()
    assert group.on_disk() == [1]


@on_a_loop
async def test_what_follows_a_commit_happens_after_it_in_order_and_before_replies(
    file: Path,
) -> None:
    group = Group(file)
    seen: list[object] = []
    with group.commits.use_case():
        group.add(1)
        group.commits.then(lambda: seen.append(group.on_disk()))
        group.commits.then(lambda: seen.append("second"))
    waiting = asyncio.ensure_future(group.commits.durable())
    waiting.add_done_callback(lambda _done: seen.append("reply"))
    assert seen == []
    await waiting
    await turns()
    assert seen == [[1], "second", "reply"]


@on_a_loop
async def test_what_a_failed_use_case_wanted_to_follow_does_not(file: Path) -> None:
    group = Group(file)
    seen: list[int] = []
    group.write(1)
    group.commits.then(lambda: seen.append(1))
    with pytest.raises(LookupError):
        group.fail_after(lambda: group.commits.then(lambda: seen.append(2)))
    await group.commits.durable()
    assert seen == [1]


@on_a_loop
async def test_what_comes_at_last_comes_before_the_disk_and_after_all_that_is_written(
    file: Path,
) -> None:
    group = Group(file)
    seen: list[str] = []
    with group.commits.use_case():
        group.add(1)
        group.commits.at_last(lambda: seen.append(f"last {group.on_disk()}"))
        group.commits.then(lambda: seen.append(f"then {group.on_disk()}"))
    group.commits.before_commit(lambda: seen.append("before"))
    await group.commits.durable()
    assert seen == ["before", "last []", "then [1]"]
    assert group.seen == [[]]


@on_a_loop
async def test_what_a_failed_use_case_wanted_at_last_does_not_happen(file: Path) -> None:
    group = Group(file)
    seen: list[int] = []
    with group.commits.use_case():
        group.commits.at_last(lambda: seen.append(1))
    with pytest.raises(LookupError):
        group.fail_after(lambda: group.commits.at_last(lambda: seen.append(2)))
    await group.commits.durable()
    assert seen == [1]


@on_a_loop
async def test_where_nothing_is_open_nothing_is_waited_for_or_committed(file: Path) -> None:
    group = Group(file)
    await group.commits.durable()
    group.commits.commit()
    assert group.commits.counts.commits == 0


@on_a_loop
async def test_who_gives_up_waiting_keeps_nobody_else_waiting(file: Path) -> None:
    group = Group(file)
    group.write(1)
    first = asyncio.ensure_future(group.commits.durable())
    second = asyncio.ensure_future(group.commits.durable())
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert group.on_disk() == [1]


@on_a_loop
async def test_a_commit_that_fails_is_told_and_releases_nobody(file: Path) -> None:
    group = Group(file)
    seen: list[str] = []
    with group.commits.use_case():
        group.add(1, LARGE)
        group.commits.then(lambda: seen.append("followed"))
    reply = asyncio.ensure_future(group.commits.durable())
    with files_no_larger_than(LARGE // 2):
        await turns()
    assert [str(error) for error in group.failures] == ["disk I/O error"]
    assert not reply.done()
    assert seen == []
    assert group.told == 0
    assert group.commits.counts.commits == 0
    assert group.on_disk() == []
    reply.cancel()


@on_a_loop
async def test_a_full_disk_is_told_once_and_releases_nobody(file: Path) -> None:
    group = Group(file)
    group.fill()
    group.write(1)
    reply = asyncio.ensure_future(group.commits.durable())
    with pytest.raises(sqlite3.OperationalError, match="database or disk is full"):
        group.write(2, LARGE)
    await turns()
    assert len(group.failures) == 1
    assert isinstance(group.failures[0], sqlite3.Error)
    assert not reply.done()
    assert group.told == 0
    assert group.on_disk() == []
    reply.cancel()


@on_a_loop
async def test_a_writer_that_cannot_begin_is_told(file: Path) -> None:
    group = Group(file)
    group.connection.execute("PRAGMA busy_timeout = 0")
    with closing(open_writer(file)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            group.write(1)
    assert [str(error) for error in group.failures] == ["database is locked"]


@on_a_loop
async def test_after_its_end_nothing_is_committed_any_more(file: Path) -> None:
    group = Group(file)
    group.write(1)
    group.commits.close()
    await turns()
    assert group.on_disk() == []


@on_a_loop
async def test_a_full_disk_is_told_by_its_name(file: Path) -> None:
    group = Group(file)
    group.fill()
    with pytest.raises(sqlite3.OperationalError, match="database or disk is full"):
        group.write(1, LARGE)
    assert [str(error) for error in group.failures] == ["database or disk is full"]


async def failed_commit(group: Group) -> None:
    group.write(1, LARGE)
    with files_no_larger_than(LARGE // 2):
        await turns()


async def failed_use_case(group: Group) -> None:
    group.fill()
    with pytest.raises(sqlite3.OperationalError):
        group.write(1, LARGE)
    group.connection.execute("PRAGMA max_page_count = 1000000")
    await turns()


@pytest.mark.parametrize("fail", [failed_commit, failed_use_case])
@on_a_loop
async def test_after_a_failure_nothing_reaches_the_disk_any_more(
    file: Path, fail: Callable[[Group], Coroutine[None, None, None]]
) -> None:
    group = Group(file)
    await fail(group)
    assert len(group.failures) == 1
    # Whether it is refused or goes nowhere: what it builds on has been lost.
    with contextlib.suppress(Exception):
        group.write(2)
    await turns()
    assert group.on_disk() == []


async def result(group: Group, instance: int) -> list[int]:
    """A result of an activity: written late in its group, and then waited for."""
    group.commits.before_commit(lambda: group.write(instance))
    await group.commits.durable()
    return group.on_disk()


@in_virtual_time
async def test_results_wait_for_others_while_much_is_in_the_air(tmp_path: Path) -> None:
    group = Group(tmp_path / "hub.db")
    group.in_air = 100
    first = asyncio.ensure_future(result(group, 1))
    await asyncio.sleep(0.004)
    assert await result(group, 2) == [1, 2]
    assert first.done()
    assert group.commits.counts.commits == 1
    assert elapsed() == 0.009


@in_virtual_time
async def test_results_that_keep_coming_wait_no_longer_than_patience_lasts(tmp_path: Path) -> None:
    group = Group(tmp_path / "hub.db")
    group.in_air = 100
    first = asyncio.ensure_future(result(group, 0))
    others = []
    for instance in range(1, 30):
        await asyncio.sleep(0.001)
        if first.done():
            break
        others.append(asyncio.ensure_future(result(group, instance)))
    assert elapsed() <= 0.013
    assert len(await first) >= 11
    await asyncio.gather(*others)


@in_virtual_time
async def test_a_result_waits_for_nothing_where_little_is_in_the_air(tmp_path: Path) -> None:
    group = Group(tmp_path / "hub.db")
    group.in_air = 3
    assert await result(group, 1) == [1]
    assert elapsed() == 0


@in_virtual_time
async def test_a_result_waits_for_nothing_once_somebody_says_so(tmp_path: Path) -> None:
    group = Group(tmp_path / "hub.db")
    group.in_air = 100
    waiting = asyncio.ensure_future(result(group, 1))
    await asyncio.sleep(0.001)
    group.commits.hurry()
    await waiting
    assert elapsed() == 0.001
    assert group.commits.was_hurried
    await result(group, 2)
    assert not group.commits.was_hurried


@in_virtual_time
async def test_whoever_is_no_result_takes_waiting_results_along_at_once(tmp_path: Path) -> None:
    group = Group(tmp_path / "hub.db")
    group.in_air = 100
    await asyncio.sleep(1)
    waiting = asyncio.ensure_future(result(group, 1))
    await asyncio.sleep(0.001)
    group.write(2)
    await group.commits.durable()
    assert elapsed() == 1.001
    # What is written before the commit is written last.
    assert await waiting == [2, 1]
