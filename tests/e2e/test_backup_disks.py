"""Backups, restores and checks where a disk is full or read-only."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from services.scheduler.store.database import open_reader
from services.scheduler.store.findings import Kind
from tests.e2e.conftest import StackMaker
from tests.e2e.keeping import Keeper, furnish, hubs_of, left_in, refused
from tests.e2e.processes import end
from tests.e2e.schedulers import data_of
from tests.e2e.test_data_directory import remount, small_disk


@pytest.fixture
def disk(tmp_path: Path, *, in_ci: bool) -> Iterator[Path]:
    """A disk of 100 KiB; only root can make one."""
    yield from small_disk(tmp_path / "disk", "100k", in_ci=in_ci)


def test_a_disk_that_is_full_leaves_no_backup(keeper: Keeper, disk: Path) -> None:
    assert "full" in refused(keeper, "backup", disk / "hub.backup")
    assert left_in(disk) == set()
    remount(disk, "size=200k")
    # Now the copy of a hub finds room, and the backup does not.
    assert "No space left" in refused(keeper, "backup", disk / "hub.backup")
    assert left_in(disk) == set()


def test_a_disk_that_is_full_has_nothing_restored(
    keeper: Keeper, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert keeper("backup", tmp_path / "hub.backup").code == 0
    new = keeper.at(disk / "new", monkeypatch)
    # Room for nothing, and for the hub without its payload.
    for room in (100_000, (keeper.data / "default.db").stat().st_size + 12_000):
        remount(disk, f"size={room}")
        assert "No space left" in refused(new, "restore", tmp_path / "hub.backup")
        assert hubs_of(new.data) == []
        assert not (new.data / "restore.partial").exists()
    remount(disk, "size=10m")
    assert new("restore", tmp_path / "hub.backup").code == 0


@pytest.fixture(scope="module")
def unclean(new_stack: StackMaker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a scheduler that was killed leaves behind: much of it is in the log."""
    with new_stack(workers=0) as stack:
        furnish(stack)
        end(stack.process("scheduler"))
        assert (data_of(stack) / "default.db-wal").stat().st_size > 0
        return Path(shutil.copytree(data_of(stack), tmp_path_factory.mktemp("unclean") / "data"))


# What lies beside the file: a log, and SQLite's notes about it.
@pytest.mark.parametrize(
    ("has_log", "has_notes"), [(False, False), (False, True), (True, True), (True, False)]
)
def test_a_disk_that_is_read_only_is_checked_and_backed_up(  # noqa: PLR0913 - fixtures, and what varies
    keeper: Keeper,
    unclean: Path,
    disk: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    has_log: bool,
    has_notes: bool,
) -> None:
    remount(disk, "size=10m")
    there = keeper.at(disk / "data", monkeypatch)
    shutil.copytree(unclean if has_log else keeper.data, there.data)
    if has_notes and not has_log:
        # Whoever only reads leaves some.
        with closing(open_reader(there.data / "default.db")) as reader:
            reader.execute("SELECT 1 FROM sqlite_master").fetchone()
            for beside in ("-wal", "-shm"):
                shutil.copy(there.data / f"default.db{beside}", tmp_path)
        for beside in ("-wal", "-shm"):
            shutil.copy(tmp_path / f"default.db{beside}", there.data)
    elif not has_notes:
        (there.data / "default.db-shm").unlink(missing_ok=True)
    assert (there.data / "default.db-shm").exists() == has_notes
    remount(disk, "ro")
    checked, made = there("check"), there("backup", tmp_path / "hub.backup")
    if has_log and not has_notes:
        assert (checked.code, made.code) == (1, 2)
        assert f"  {Kind.OUT_OF_REACH.what} (1)\n" in checked.out
        assert "its disk is read-only, and its log is not empty" in made.err
        return
    assert (checked.code, made.code) == (0, 0), checked.out + made.err
    assert keeper.at(tmp_path / "new", monkeypatch)("restore", tmp_path / "hub.backup").code == 0
