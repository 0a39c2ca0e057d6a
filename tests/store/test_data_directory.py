"""The folder of all hubs' files, held by one scheduler at a time."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from services.scheduler.errors import DataDirectoryError
from services.scheduler.store.database import DataDirectory, open_writer
from tests.tidy.repository import ROOT

# Another process takes the folder, says so, and holds it until its input ends.
HOLDER = """
import pathlib, sys
from services.scheduler.store.database import DataDirectory
held = DataDirectory(pathlib.Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""
# Another process tries to take the folder, and says what it is told.
TAKER = """
import pathlib, sys
from services.scheduler.errors import DataDirectoryError
from services.scheduler.store.database import DataDirectory
try:
    DataDirectory(pathlib.Path(sys.argv[1]))
except DataDirectoryError as error:
    print(error)
else:
    print("taken")
"""


def said_by_another_process(path: Path) -> str:
    command = [sys.executable, "-c", TAKER, str(path)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_a_missing_folder_is_made_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    before = os.umask(0o022)
    try:
        DataDirectory(path).release()
    finally:
        os.umask(before)
    assert path.is_dir()
    # With those above it that were made for it.
    assert [one.stat().st_mode & 0o777 for one in (path, path.parent)] == [0o700, 0o700]


def test_a_database_and_its_logs_are_their_owners_alone_whatever_the_folder(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o755)
    before = os.umask(0o022)
    try:
        with closing(open_writer(tmp_path / "default.db")) as writer:
            writer.execute("CREATE TABLE more (x)")
            files = {one.name: one.stat().st_mode & 0o777 for one in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert files == dict.fromkeys(("default.db", "default.db-wal", "default.db-shm"), 0o600)


def test_a_folder_that_was_made_for_it_becomes_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.mkdir()
    path.chmod(0o755)
    DataDirectory(path).release()
    assert path.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_an_earlier_version_left_open_is_closed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    DataDirectory(tmp_path).release()
    (tmp_path / "default.db").touch()
    tmp_path.chmod(0o755)
    DataDirectory(tmp_path).release()
    assert tmp_path.stat().st_mode & 0o777 == 0o700
    assert caplog.messages == []


def test_a_folder_with_something_in_it_stays_as_it_is_and_somebody_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "somebody's").touch()
    tmp_path.chmod(0o750)
    DataDirectory(tmp_path).release()
    assert tmp_path.stat().st_mode & 0o777 == 0o750
    assert caplog.messages == [
        f"the data directory {tmp_path} is open to others: chmod 700 it",
    ]


def test_a_folder_is_held_against_a_second_scheduler_until_it_is_released(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    assert said_by_another_process(tmp_path) == (
        f"the data directory {tmp_path} is in use by another scheduler;"
        " stop it, or set SCHEDULER_DATA_DIR"
    )
    directory.release()
    assert said_by_another_process(tmp_path) == "taken"


def test_a_scheduler_that_is_killed_lets_go_of_the_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(DataDirectoryError, match="in use by another scheduler"):
            DataDirectory(tmp_path)
        holder.kill()
        holder.wait()
        DataDirectory(tmp_path).release()


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_text("mine")
    with pytest.raises(DataDirectoryError, match=rf"^cannot use the data directory {path}: "):
        DataDirectory(path)
    assert path.read_text() == "mine"


def test_the_hubs_of_a_folder_are_the_files_in_it_by_name(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    for name in ("b", "a"):
        directory.file_of(name).touch()
        Path(f"{directory.file_of(name)}-wal").touch()
    assert directory.task_hubs() == ["a", "b"]
    directory.release()


def test_a_hub_that_is_set_aside_is_kept_whole_and_is_no_hub_any_more(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "data")
    with closing(open_writer(tmp_path / "open.db")) as connection:
        connection.execute("PRAGMA user_version = 77")
        # As whoever was killed leaves them: what was committed last is in the log alone.
        for beside in ("", "-wal", "-shm"):
            shutil.copyfile(tmp_path / f"open.db{beside}", tmp_path / "data" / f"gone.db{beside}")
    directory.file_of("kept").touch()
    directory.set_aside("gone", "x1")
    assert directory.task_hubs() == ["kept"]
    aside = tmp_path / "data" / "gone.db.deleted-x1"
    left = {path.name for path in aside.parent.glob("gone*")}
    assert left == {aside.name, f"{aside.name}-wal", f"{aside.name}-shm"}
    with closing(sqlite3.connect(aside)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (77,)
    directory.set_aside("missing", "x2")
    directory.release()
