"""Files of the payload directory go once nothing names them, and never before."""

import asyncio
import logging
from collections.abc import Collection, Iterable
from datetime import timedelta
from pathlib import Path

import pytest

from services.scheduler.clock import system_now
from services.scheduler.engine.protos import StringValue, pb
from services.scheduler.hub.collector import Collector
from services.scheduler.hub.hubs import TaskHubs
from services.scheduler.store.database import DataDirectory
from services.shared.payload_files import PayloadFiles
from tests.store.loops import on_a_loop
from tests.unit.hub.yard import yard

HOURS = timedelta(hours=1)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@on_a_loop
async def test_a_file_goes_with_the_last_instance_that_names_it_and_not_before(
    tmp_path: Path,
) -> None:
    async with yard(tmp_path) as here:
        token = here.upload("orders")
        await here.start("a", token)
        await here.start("b", token, "other")
        here.ahead += 3 * HOURS
        assert await here.sweeps() == 0
        await here.purge("a")
        assert await here.sweeps() == 0
        await here.purge("b", "other")
        assert await here.sweeps() == 1
        assert not here.has(token)


@on_a_loop
async def test_a_file_that_nothing_ever_named_goes_after_an_hour_at_the_second_look(
    tmp_path: Path,
) -> None:
    async with yard(tmp_path) as here:
        token = here.upload("never sent")
        here.ahead += timedelta(minutes=59)
        assert await here.sweeps() == 0
        here.ahead += timedelta(minutes=2)
        assert await here.collector.sweep() == 0
        assert here.has(token)
        assert await here.collector.sweep() == 1
        assert not here.has(token)


@on_a_loop
async def test_a_file_that_is_uploaded_again_between_two_looks_stays(tmp_path: Path) -> None:
    async with yard(tmp_path) as here:
        token = here.upload("orders")
        here.ahead += 2 * HOURS
        await here.collector.sweep()
        here.upload("orders")
        assert await here.sweeps() == 0
        assert here.has(token)


@on_a_loop
async def test_what_a_killed_scheduler_had_not_removed_is_found_by_the_next_one(
    tmp_path: Path,
) -> None:
    async with yard(tmp_path) as here:
        token = here.upload("orders")
        await here.start("a", token)
        await here.purge("a")
        here.ahead += 2 * HOURS
        await here.collector.sweep()
    async with yard(tmp_path) as here:
        here.ahead += 2 * HOURS
        assert await here.sweeps() == 1
        assert not here.has(token)


@on_a_loop
async def test_a_reference_that_comes_between_the_last_look_and_the_removal_spares_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with yard(tmp_path) as here:
        token = here.upload("orders")
        here.ahead += 2 * HOURS
        await here.collector.sweep()
        loop, census = asyncio.get_running_loop(), here.collector._census  # noqa: SLF001 - the moment is its own
        looks = iter((lambda: None, lambda: here.start("late", token)))
        unnamed = census.unnamed

        def named_after(digests: Collection[bytes]) -> set[bytes]:
            found = unnamed(digests)
            act = next(looks)()
            if act is not None:
                asyncio.run_coroutine_threadsafe(act, loop).result()
            return found

        monkeypatch.setattr(census, "unnamed", named_after)
        assert await here.collector.sweep() == 0
        assert here.has(token)
        assert list(looks) == []


@on_a_loop
async def test_a_reference_that_is_not_on_the_disk_yet_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with yard(tmp_path) as here:
        token = here.upload("orders")
        here.ahead += 2 * HOURS
        await here.collector.sweep()
        condemn = here.hubs.condemned.replace

        def named_just_before(digests: Iterable[bytes]) -> None:
            due = list(digests)
            if due:
                given = StringValue(value=token)
                request = pb.CreateInstanceRequest(instanceId="a", name="main", input=given)
                here.hubs.find("default").hub.start(request)
            condemn(due)

        monkeypatch.setattr(here.hubs.condemned, "replace", named_just_before)
        assert await here.collector.sweep() == 0
        assert here.has(token)


@on_a_loop
async def test_a_hub_that_is_deleted_keeps_its_payloads_until_its_file_is_removed(
    tmp_path: Path,
) -> None:
    async with yard(tmp_path) as here:
        token = here.upload("orders")
        await here.start("a", token, "other")
        here.hubs.delete("other")
        here.ahead += 2 * HOURS
        assert await here.sweeps() == 0
        (aside,) = here.set_aside()
        aside.unlink()
        assert await here.sweeps() == 1
        assert not here.has(token)


@on_a_loop
async def test_a_hub_that_is_not_served_any_more_keeps_its_payloads(tmp_path: Path) -> None:
    async with yard(tmp_path) as here:
        token = here.upload("orders")
        await here.start("a", token, "other")
    failures: list[BaseException] = []
    directory = DataDirectory(tmp_path)
    hubs = TaskHubs(directory, ["default"], dynamic=False, on_failure=failures.append)
    collector = Collector(hubs, here.files, directory, now=lambda: system_now() + 2 * HOURS)
    assert await collector.sweep() + await collector.sweep() == 0
    assert here.has(token)
    await collector.stop()
    hubs.close()


@on_a_loop
async def test_a_file_that_a_clock_ahead_has_dated_ages_from_now_on(tmp_path: Path) -> None:
    async with yard(tmp_path) as here:
        token = here.upload("from next year")
        here.date(token, timedelta(days=365))
        assert await here.sweeps() == 0
        here.ahead += 2 * HOURS
        assert await here.sweeps() == 1
        assert not here.has(token)


@on_a_loop
async def test_a_clock_that_is_set_back_removes_nothing(tmp_path: Path) -> None:
    async with yard(tmp_path) as here:
        token = here.upload("orders")
        here.ahead -= timedelta(minutes=3)
        assert await here.sweeps() == 0
        here.ahead -= 5 * HOURS
        assert await here.sweeps() == 0
        assert here.has(token)


@on_a_loop
async def test_a_clock_that_is_set_forward_leaves_an_upload_the_time_between_two_looks(
    tmp_path: Path,
) -> None:
    async with yard(tmp_path) as here:
        await here.collector.sweep()
        token = here.upload("on its way")
        here.ahead += 24 * HOURS
        assert await here.collector.sweep() == 0
        await here.start("a", token)
        assert await here.collector.sweep() == 0
        assert here.has(token)


@on_a_loop
async def test_two_schedulers_that_share_a_directory_collect_nothing_and_say_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    payloads = tmp_path / "payloads"
    PayloadFiles(payloads).prepare()
    async with yard(tmp_path / "one", payloads) as one:
        assert warnings(caplog) == []
        token = one.upload("orders")
        async with yard(tmp_path / "two", payloads) as two:
            await two.start("a", token)
            one.ahead += 3 * HOURS
            two.ahead += 3 * HOURS
            assert await one.sweeps() + await two.sweeps() == 0
        assert await one.sweeps() == 0
        assert one.has(token)
    told = [line.partition(";")[0] for line in warnings(caplog)]
    assert told == [
        f"payloads in {payloads} are not collected:"
        f" {payloads} is also that of the data directory {tmp_path / other}"
        for other in ("one", "two")
    ]


@on_a_loop
async def test_a_hub_that_cannot_be_asked_keeps_everything_and_is_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with yard(tmp_path) as here:
        token = here.upload("orders")
        here.ahead += 2 * HOURS
        broken = tmp_path / "old.db.deleted-x"
        broken.write_bytes(b"no database" * 1_000)
        assert await here.sweeps() == 0
        assert here.has(token)
        (told,) = warnings(caplog)
        assert f"cannot tell which payloads {broken} names: " in told
        broken.unlink()
        assert await here.sweeps() == 1


@on_a_loop
async def test_a_directory_that_cannot_be_used_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    payloads = tmp_path / "payloads"
    payloads.write_text("a file")
    async with yard(tmp_path / "data", payloads) as here:
        assert await here.sweeps() == 0
        (told,) = warnings(caplog)
        assert told.startswith(f"payloads in {payloads} are not collected: ")
        payloads.unlink()
        token = here.upload("orders")
        here.ahead += 2 * HOURS
        assert await here.sweeps() == 1
        assert not here.has(token)


@on_a_loop
async def test_where_there_are_no_payloads_nothing_is_made(tmp_path: Path) -> None:
    async with yard(tmp_path) as here:
        assert await here.sweeps() == 0
        assert not here.files.directory.exists()
        assert here.made() == ["default.db", "default.db-shm", "default.db-wal", "scheduler.lock"]


@on_a_loop
async def test_half_written_files_and_files_of_others_are_told_apart(tmp_path: Path) -> None:
    async with yard(tmp_path) as here:
        token = here.upload("orders")
        folder = here.files.path(token).parent
        (folder / "notes.txt").write_text("mine")
        partial = here.files.directory / ".partial" / "tmp1"
        partial.write_text("half")
        here.ahead += 2 * HOURS
        assert await here.sweeps() == 1
        assert (folder / "notes.txt").exists()
        assert not partial.exists()


@on_a_loop
async def test_more_files_than_a_group_are_all_looked_at(tmp_path: Path) -> None:
    async with yard(tmp_path) as here:
        tokens = [here.upload(f"payload {number}") for number in range(250)]
        await here.start("a", tokens[7])
        here.ahead += 2 * HOURS
        assert await here.sweeps() == 249
        assert [token for token in tokens if here.has(token)] == [tokens[7]]


@on_a_loop
async def test_it_runs_until_it_is_cancelled_and_then_lets_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_FIRST_SECONDS", "_PAUSE_SECONDS"):
        monkeypatch.setattr(f"services.scheduler.hub.collector.{name}", 0.0)
    async with yard(tmp_path) as here:
        token = here.upload("orders")
        here.ahead += 2 * HOURS
        removed = asyncio.Event()
        sweep = here.collector.sweep

        async def watched() -> int:
            count = await sweep()
            if count:
                removed.set()
            return count

        monkeypatch.setattr(here.collector, "sweep", watched)
        running = asyncio.create_task(here.collector.run())
        async with asyncio.timeout(30):
            await removed.wait()
        assert not here.has(token)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    async with yard(tmp_path) as here:
        assert await here.sweeps() == 0
