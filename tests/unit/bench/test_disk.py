from pathlib import Path

import pytest

from scripts.bench.disk import FileSystem, bytes_below, choose_directory
from scripts.bench.errors import BenchError


def test_a_file_system_is_the_innermost_that_holds_a_folder() -> None:
    assert FileSystem.of(Path("/proc/self")).kind == "proc"
    assert FileSystem.of(Path("/proc/self")).mounted_at == "/proc"


@pytest.mark.parametrize(
    ("kind", "is_in_memory"), [("ext4", False), ("overlay", False), ("tmpfs", True)]
)
def test_a_file_system_without_a_disk_is_known(kind: str, *, is_in_memory: bool) -> None:
    assert FileSystem(kind=kind, device="x", mounted_at="/").is_in_memory is is_in_memory


def test_a_directory_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="there is no such directory"):
        choose_directory(tmp_path / "none")


def test_a_directory_in_memory_is_refused() -> None:
    folder = Path("/dev/shm")  # noqa: S108 - nothing is written
    if not folder.is_dir() or not FileSystem.of(folder).is_in_memory:
        pytest.skip("this machine has no file system in memory")
    with pytest.raises(BenchError, match="in memory"):
        choose_directory(folder)


def test_logs_beside_the_data_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "data" / "payloads").mkdir(parents=True)
    (tmp_path / "scheduler.log").write_bytes(b"1234")
    (tmp_path / "data" / "default.db").write_bytes(b"12345")
    (tmp_path / "data" / "payloads" / "one").write_bytes(b"12")
    assert bytes_below(tmp_path) == 7
