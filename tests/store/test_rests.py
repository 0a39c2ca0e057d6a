"""What few workers have answered rests for a moment: what it leads to is written with it."""

import asyncio
from pathlib import Path

import pytest

from tests.store.groups import Group
from tests.unit.dispatch.virtual_time import elapsed, in_virtual_time


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "hub.db"


def resting(file: Path) -> Group:
    """A hub with one turn in the air."""
    group = Group(file)
    group.in_air = 1
    return group


def answer(group: Group, instance: int) -> "asyncio.Future[None]":
    """A worker's answer; done once its reply may leave."""
    group.write(instance)
    replied = asyncio.get_running_loop().create_future()
    group.commits.when_durable(lambda: replied.set_result(None), patiently=True)
    return replied


@in_virtual_time
async def test_an_answer_rests_and_turns_have_gone_out_meanwhile(file: Path) -> None:
    group = resting(file)
    replied = answer(group, 1)
    await asyncio.sleep(0.001)
    assert group.seen == [[]]
    assert group.on_disk() == []
    assert not replied.done()
    await replied
    assert elapsed() == 0.002
    assert group.on_disk() == [1]


@in_virtual_time
async def test_what_an_answer_leads_to_is_written_with_it(file: Path) -> None:
    group = resting(file)
    replies = []
    for instance in range(3):
        replies.append(answer(group, instance))
        await asyncio.sleep(0.0015)
    await asyncio.gather(*replies)
    assert elapsed() == 0.005
    assert group.commits.counts.commits == 1


@in_virtual_time
async def test_what_is_put_off_until_the_commit_is_done_before_the_rest(file: Path) -> None:
    group = resting(file)
    seen: list[str] = []
    group.commits.before_commit(lambda: seen.append("before"))
    group.commits.at_last(lambda: seen.append("last"))
    replied = asyncio.get_running_loop().create_future()
    group.commits.when_durable(lambda: replied.set_result(None), patiently=True)
    await asyncio.sleep(0.001)
    assert seen == ["before", "last"]
    # A result that joins is taken in at once, too.
    group.commits.before_commit(lambda: seen.append("joined"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert seen == ["before", "last", "joined"]
    assert not replied.done()
    await replied


@in_virtual_time
async def test_whoever_waits_ends_the_rest(file: Path) -> None:
    group = resting(file)
    replied = answer(group, 1)
    await asyncio.sleep(0.001)
    await group.commits.durable()
    assert elapsed() == 0.001
    assert replied.done()
    # Or does not let it begin.
    replied = answer(group, 2)
    group.commits.want()
    await replied
    assert elapsed() == 0.001


@in_virtual_time
async def test_what_has_to_be_handed_out_after_the_commit_ends_the_rest(file: Path) -> None:
    group = resting(file)
    replied = answer(group, 1)
    await asyncio.sleep(0.001)
    group.commits.want()
    await replied
    assert elapsed() == 0.001


@in_virtual_time
async def test_where_nothing_is_in_the_air_nothing_rests(file: Path) -> None:
    group = resting(file)
    group.in_air = 0
    await answer(group, 1)
    assert elapsed() == 0.0


@in_virtual_time
async def test_a_group_that_is_joined_again_and_again_rests_no_longer_than_its_bound(
    file: Path,
) -> None:
    group = resting(file)
    first = answer(group, 0)
    instance = 0
    while not first.done():
        await asyncio.sleep(0.001)
        instance += 1
        answer(group, instance)
        assert instance < 20
    assert 0.008 <= elapsed() <= 0.010


@in_virtual_time
async def test_rests_that_bring_nothing_are_tried_seldom(file: Path) -> None:
    group = resting(file)
    rested = []
    for instance in range(200):
        began = elapsed()
        await answer(group, instance)
        rested.append(elapsed() - began)
    assert all(rested[:8])
    # One of the other 192 in 64.
    assert sum(map(bool, rested[8:])) == 3


@in_virtual_time
async def test_a_rest_that_brings_something_is_worth_the_next_ones(file: Path) -> None:
    group = resting(file)
    for instance in range(200):
        first = answer(group, instance)
        await asyncio.sleep(0.0005)
        assert not first.done()
        await answer(group, 1000 + instance)
    assert group.commits.counts.commits == 200


@in_virtual_time
async def test_a_rest_ends_where_much_comes_into_the_air(file: Path) -> None:
    group = resting(file)
    replied = answer(group, 1)
    await asyncio.sleep(0.001)
    group.in_air = 100
    answer(group, 2)
    await replied
    assert elapsed() <= 0.002
    assert group.commits.counts.commits == 1


@in_virtual_time
async def test_a_use_case_that_fails_during_a_rest_takes_only_itself_back(file: Path) -> None:
    group = resting(file)
    replied = answer(group, 1)
    await asyncio.sleep(0.001)
    with pytest.raises(LookupError):
        group.fail_after(lambda: group.add(2))
    await replied
    assert group.on_disk() == [1]
