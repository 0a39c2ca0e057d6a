import shutil
import signal
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.shared.payload_files import PayloadFiles
from tests.e2e.damage import payload_file
from tests.e2e.keeping import LARGE, TOKEN, Keeper, command, hubs_of, left_in, refused
from tests.e2e.processes import end, wait_until


@pytest.fixture
def file(keeper: Keeper, tmp_path: Path) -> Path:
    """A backup of it."""
    made = tmp_path / "hub.backup"
    assert keeper("backup", made).code == 0
    return made


@pytest.fixture
def new(keeper: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keeper:
    """The commands, for a data directory that is not there yet."""
    return keeper.at(tmp_path / "new", monkeypatch)


# Where a backup goes


def test_a_file_that_is_there_is_replaced_only_by_force(keeper: Keeper, tmp_path: Path) -> None:
    file = tmp_path / "hub.backup"
    file.write_text("mine")
    assert "is there already; --force replaces it" in refused(keeper, "backup", file)
    assert file.read_text() == "mine"
    assert keeper("backup", "--force", file).code == 0
    assert tarfile.is_tarfile(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert left_in(tmp_path) == {"data", "hub.backup"}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", "is a directory"),
        ("missing/hub.backup", "there is no directory"),
        ("data/hub.db", "and would be lost with it"),
        ("data/payloads/hub", "and would be lost with it"),
    ],
)
def test_a_place_where_no_backup_can_be_is_refused(
    keeper: Keeper, tmp_path: Path, name: str, told: str
) -> None:
    before = left_in(keeper.data)
    assert told in refused(keeper, "backup", tmp_path / name)
    assert left_in(tmp_path) == {"data"}
    assert left_in(keeper.data) == before


def test_of_nothing_there_is_no_backup(new: Keeper, tmp_path: Path) -> None:
    file = tmp_path / "hub.backup"
    assert f"there is no data directory {new.data}" in refused(new, "backup", file)
    assert f"there is no data directory {new.data}" in refused(new, "backup", "-")
    new.data.mkdir()
    assert f"there is no task hub in {new.data}" in refused(new, "backup", file)
    assert not file.exists()


@pytest.fixture
def halted(keeper: Keeper, tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A backup to `hub.backup` that waits in its middle."""
    with PayloadFiles(keeper.data / "payloads")._locked(2):  # noqa: SLF001 - nobody else keeps everybody out
        process = subprocess.Popen(
            command("backup", tmp_path / "hub.backup"), stderr=subprocess.PIPE
        )
        wait_until((tmp_path / "hub.backup.partial" / "whole").exists)
        yield process
    end(process)
    assert process.stderr is not None
    process.stderr.close()


def test_a_backup_that_is_interrupted_leaves_nothing(
    halted: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    halted.send_signal(signal.SIGTERM)
    _out, said = halted.communicate(timeout=20)
    assert (halted.returncode, said) == (130, b"interrupted; nothing has changed\n")
    assert left_in(tmp_path) == {"data"}


def test_a_backup_that_is_killed_leaves_no_file_and_the_next_one_clears_up(
    halted: "subprocess.Popen[bytes]", keeper: Keeper, tmp_path: Path
) -> None:
    file = tmp_path / "hub.backup"
    assert "another backup is being written to" in refused(keeper, "backup", file)
    halted.kill()
    halted.wait()
    assert left_in(tmp_path) == {"data", "hub.backup.partial"}
    # The lock that halted it is the test's own, and its holder looks at another store now.
    shutil.move(keeper.data / "payloads" / ".lock", tmp_path / "lock")
    assert keeper("backup", file).code == 0
    assert left_in(tmp_path) == {"data", "lock", "hub.backup"}


# What cannot be in it


def test_a_damaged_hub_is_left_out_and_told_of(
    keeper: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (keeper.data / "bad.db").write_text("Dear diary, " * 100)
    shutil.copy(keeper.data / "default.db", keeper.data / "torn.db")
    with (keeper.data / "torn.db").open("r+b") as opened:
        opened.seek(3 * 4_096)
        opened.write(b"\xff" * 8_192)
    ran = keeper("backup", tmp_path / "rest.backup")
    assert ran.code == 1
    assert "  not in it: task hub bad: cannot use" in ran.err
    assert "  not in it: task hub torn: " in ran.err
    new = keeper.at(tmp_path / "new", monkeypatch)
    ran = new("restore", tmp_path / "rest.backup")
    assert ran.code == 1
    assert "  the backup was made without: task hub bad: cannot use" in ran.err
    assert hubs_of(new.data) == ["default.db"]


def test_a_hub_that_could_not_be_restored_is_left_out(keeper: Keeper, tmp_path: Path) -> None:
    shutil.copy(keeper.data / "default.db", keeper.data / "my hub.db")
    (keeper.data / "gone.db").symlink_to(tmp_path / "gone")
    (keeper.data / "folder.db").mkdir()
    ran = keeper("backup", tmp_path / "rest.backup")
    assert ran.code == 1
    assert "my hub.db: its name is none of a task hub\n" in ran.err
    assert "task hub gone: cannot use" in ran.err
    assert "task hub folder: cannot use" in ran.err


def test_where_no_hub_is_sound_there_is_no_backup(keeper: Keeper, tmp_path: Path) -> None:
    (keeper.data / "default.db").write_text("Dear diary, " * 100)
    ran = keeper("backup", tmp_path / "hub.backup")
    assert (ran.code, ran.err.splitlines()[0]) == (2, "no task hub can be backed up")
    assert left_in(tmp_path) == {"data"}


def _remove(data: Path) -> None:
    payload_file(data / "default.db").unlink()


def _spoil(data: Path) -> None:
    payload_file(data / "default.db").write_bytes(LARGE[:-1])


@pytest.mark.parametrize("harm", [_remove, _spoil])
def test_a_payload_that_cannot_be_read_is_told_of(
    keeper: Keeper,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    harm: Callable[[Path], None],
) -> None:
    harm(keeper.data)
    ran = keeper("backup", tmp_path / "hub.backup")
    assert ran.code == 1
    assert f"  not in it: task hub default: the payload {TOKEN} cannot be read: " in ran.err
    new = keeper.at(tmp_path / "new", monkeypatch)
    assert new("restore", tmp_path / "hub.backup").code == 1
    assert new("check").code == 1


def test_payloads_need_their_directory(
    file: Path, keeper: Keeper, new: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAYLOAD_STORE", "none")
    assert "PAYLOAD_STORE names no directory" in refused(new, "restore", file)
    assert hubs_of(new.data) == []
    keeper.at(keeper.data, monkeypatch)
    monkeypatch.setenv("PAYLOAD_STORE", "none")
    ran = keeper("backup", tmp_path / "without.backup")
    assert ran.code == 1
    assert "PAYLOAD_STORE names no directory here" in ran.err
