"""A payload directory is collected by one scheduler, or by none."""

import subprocess
import sys
from pathlib import Path

import pytest

from services.scheduler.errors import ClaimError
from services.scheduler.store.claim import Claim
from services.scheduler.store.database import DataDirectory
from tests.tidy.repository import ROOT

# Another process claims the folder, says so, and holds it until its input ends.
HOLDER = """
import pathlib, sys
from services.scheduler.store.claim import Claim
claim = Claim(pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path("/elsewhere"))
claim.take()
print("held", flush=True)
sys.stdin.read()
"""


def claim(folder: Path, identity: str = "1" * 32, data: str = "/data") -> Claim:
    return Claim(folder, identity, Path(data))


def test_the_only_one_may_collect(tmp_path: Path) -> None:
    one = claim(tmp_path)
    one.take()
    one.take()
    one.check()
    one.release()
    again = claim(tmp_path)
    again.take()
    again.check()
    again.release()


def test_of_two_data_directories_neither_may_collect_not_even_when_one_stops(
    tmp_path: Path,
) -> None:
    one, other = claim(tmp_path), claim(tmp_path, "2" * 32, "/other")
    one.take()
    one.check()
    other.take()
    with pytest.raises(ClaimError, match="is also that of the data directory /data;"):
        other.check()
    other.release()
    file = tmp_path / ".schedulers" / ("2" * 32)
    with pytest.raises(ClaimError) as refused:
        one.check()
    assert str(refused.value) == (
        f"{tmp_path} is also that of the data directory /other;"
        f" if that one is gone for good, remove {file}"
    )
    file.unlink()
    one.check()
    one.release()


def test_a_copy_of_the_data_directory_does_not_collect_while_the_other_runs(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path), "1" * 32]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ClaimError, match="with a copy of this data directory, uses"):
            claim(tmp_path).take()
        holder.kill()
        holder.wait()
    left = claim(tmp_path)
    left.take()
    left.release()


def test_a_claim_that_somebody_removed_is_made_again(tmp_path: Path) -> None:
    one = claim(tmp_path)
    one.take()
    (tmp_path / ".schedulers" / ("1" * 32)).unlink()
    one.take()
    assert (tmp_path / ".schedulers" / ("1" * 32)).read_text() == "/data\n"
    one.release()


def test_a_data_directory_is_the_same_one_wherever_it_is_moved(tmp_path: Path) -> None:
    first = DataDirectory(tmp_path / "a")
    identity = first.identity()
    assert first.identity() == identity
    first.release()
    moved = DataDirectory((tmp_path / "a").rename(tmp_path / "b"))
    assert moved.identity() == identity
    (tmp_path / "b" / "directory.id").write_text("cut sh")
    assert moved.identity() not in {identity, "cut sh"}
    moved.release()
