from pathlib import Path

import pytest

from services.scheduler.errors import DataDirectoryError
from services.scheduler.store.database import DataDirectory
from services.scheduler.store.placing import READY, STAGED


def made_ready(directory: Path, *names: str) -> Path:
    ready = directory / READY
    ready.mkdir(parents=True)
    for name in names:
        (ready / name).write_text(name)
    return ready


def test_whoever_takes_the_directory_ends_a_restore_that_was_cut_short(tmp_path: Path) -> None:
    # Some of it had been moved already.
    (tmp_path / "a.db").write_text("a.db")
    ready = made_ready(tmp_path, "b.db", "c.db")
    DataDirectory(tmp_path).release()
    assert not ready.exists()
    found = {path.name: path.read_text() for path in tmp_path.glob("*.db")}
    assert found == {name: name for name in ("a.db", "b.db", "c.db")}


def test_who_cannot_take_the_directory_moves_nothing(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    ready = made_ready(tmp_path, "a.db")
    with pytest.raises(DataDirectoryError, match="in use by another scheduler"):
        DataDirectory(tmp_path)
    assert ready.exists()
    directory.release()


def test_what_is_not_whole_is_left_alone(tmp_path: Path) -> None:
    staged = tmp_path / STAGED
    staged.mkdir()
    (staged / "a.db").write_text("half")
    directory = DataDirectory(tmp_path)
    assert directory.task_hubs() == []
    directory.release()


def test_what_cannot_be_moved_is_told_and_the_directory_let_go(tmp_path: Path) -> None:
    made_ready(tmp_path, "a.db")
    # Something else stands where it is to be.
    (tmp_path / "a.db").mkdir()
    for _ in range(2):
        with pytest.raises(DataDirectoryError, match="cannot use the data directory"):
            DataDirectory(tmp_path)
