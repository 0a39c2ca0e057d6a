"""What we make is its owner's alone, whoever of us makes it first."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.scheduler.store.claim import Claim
from services.shared.payload_files import PayloadFiles
from services.shared.private_directory import make_private


@pytest.fixture(autouse=True)
def _usual_mask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_directory_and_all_above_it_that_were_missing_are_private(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    make_private(tmp_path / "a" / "b" / "c")
    assert [mode(tmp_path / way) for way in ("a", "a/b", "a/b/c")] == [0o700] * 3
    assert mode(tmp_path) == 0o755


def test_one_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(mode=0o750)
    make_private(tmp_path / "a")
    assert mode(tmp_path / "a") == 0o750


def test_a_file_in_its_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(OSError, match="a"):
        make_private(tmp_path / "a")
    with pytest.raises(OSError, match="a"):
        make_private(tmp_path / "a" / "b")


def test_a_worker_that_is_there_before_the_scheduler_makes_no_open_data_directory(
    tmp_path: Path,
) -> None:
    PayloadFiles(tmp_path / "data" / "payloads").prepare()
    assert mode(tmp_path / "data") == 0o700


def test_a_claim_opens_nothing_whether_the_payload_directory_is_there_or_not(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "there").mkdir()
    for payloads in (tmp_path / "there", tmp_path / "data" / "payloads"):
        claim = Claim(payloads, "1" * 32, tmp_path)
        claim.take()
        # Its files tell where data lies.
        assert mode(payloads / ".schedulers") == 0o700
        claim.release()
    assert mode(tmp_path / "there") == 0o755
    assert [mode(tmp_path / way) for way in ("data", "data/payloads")] == [0o700] * 2
