import errno
import fcntl
import hashlib
import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest

from services.shared.payload_files import TOKEN, PayloadFiles, PayloadMissingError, token_of
from tests.tidy.repository import ROOT

DATA = "größer als gedacht".encode()
HOUR = timedelta(hours=1)


@pytest.fixture
def files(tmp_path: Path) -> PayloadFiles:
    return PayloadFiles(tmp_path / "payloads")


def make_old(files: PayloadFiles, token: str, seconds: float = 7_200) -> None:
    then = datetime.now(UTC).timestamp() - seconds
    os.utime(files.path(token), (then, then))


@contextmanager
def lock(files: PayloadFiles, operation: int) -> Iterator[None]:
    with (files.directory / ".lock").open("wb") as file:
        fcntl.flock(file, operation)
        yield


def leftovers(files: PayloadFiles) -> list[str]:
    return [path.name for path in (files.directory / ".partial").iterdir()]


def test_a_token_names_the_sha_256_of_the_payload() -> None:
    assert token_of(DATA) == f"file:v1:{hashlib.sha256(DATA).hexdigest()}"
    assert TOKEN.fullmatch(token_of(DATA))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "file:v1:",
        f"file:v1:{'a' * 63}",
        f"file:v1:{'a' * 65}",
        f"file:v1:{'A' * 64}",
        f"file:v1:{'g' * 64}",
        f"file:v2:{'a' * 64}",
        f"FILE:v1:{'a' * 64}",
        f" file:v1:{'a' * 64}",
        f"file:v1:{'a' * 64}\n",
        f'"file:v1:{"a" * 64}"',
        "file:v1:" + "\uff11" * 64,
        f"file:v1:../{'a' * 61}",
        f"file:v1:/{'a' * 63}",
        f"file:v1:{'a' * 63}\0",
    ],
)
def test_anything_else_is_no_token(files: PayloadFiles, text: str) -> None:
    assert TOKEN.fullmatch(text) is None
    for refuses in (files.read, files.path, files.size, files.uploaded_at):
        with pytest.raises(ValueError, match="no token of a payload"):
            refuses(text)
    with pytest.raises(ValueError, match="no token of a payload"):
        files.remove(text, uploaded_before=datetime.now(UTC))


def test_what_was_written_is_read_again(files: PayloadFiles) -> None:
    token = files.write(DATA)
    assert token == token_of(DATA)
    assert files.read(token) == DATA
    assert files.size(token) == len(DATA)
    assert list(files.tokens()) == [token]
    assert leftovers(files) == []


def test_the_payload_of_no_bytes_is_one_too(files: PayloadFiles) -> None:
    assert files.read(files.write(b"")) == b""


def test_the_layout_is_two_digits_and_then_all_of_them(files: PayloadFiles) -> None:
    digest = hashlib.sha256(DATA).hexdigest()
    files.write(DATA)
    assert (files.directory / digest[:2] / digest).read_bytes() == DATA


def test_nobody_else_on_the_machine_can_read_a_payload(files: PayloadFiles) -> None:
    files.prepare()
    path = files.path(files.write(DATA))
    modes = [
        stat.S_IMODE(each.stat().st_mode)
        for each in (files.directory, files.directory / ".partial", path.parent, path)
    ]
    assert modes == [0o700, 0o700, 0o700, 0o600]


def test_preparing_makes_the_directory_and_is_harmless_again(files: PayloadFiles) -> None:
    files.prepare()
    files.prepare()
    assert list(files.tokens()) == []
    assert leftovers(files) == []


def test_a_directory_that_cannot_be_one_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        PayloadFiles(tmp_path / "file").prepare()
    with pytest.raises(OSError, match="file"):
        PayloadFiles(tmp_path / "file" / "below").prepare()


def test_a_missing_payload_is_told_with_its_token(files: PayloadFiles) -> None:
    token = token_of(DATA)
    with pytest.raises(PayloadMissingError, match=rf"{token} cannot be read: there is no file"):
        files.read(token)
    assert files.size(token) is None
    assert files.uploaded_at(token) is None
    assert files.age(token, now=datetime.now(UTC)) is None


@pytest.mark.parametrize("content", [b"", DATA[:-1], DATA + b"!", b"x" * len(DATA)])
def test_a_damaged_payload_is_told_with_its_token(files: PayloadFiles, content: bytes) -> None:
    token = files.write(DATA)
    files.path(token).write_bytes(content)
    with pytest.raises(PayloadMissingError, match=rf"{token} .* damaged") as caught:
        files.read(token)
    assert caught.value.token == token


def test_a_payload_that_is_no_file_is_told_with_its_token(files: PayloadFiles) -> None:
    token = token_of(DATA)
    files.path(token).mkdir(parents=True)
    with pytest.raises(PayloadMissingError, match=token):
        files.read(token)


@pytest.mark.parametrize("content", [b"", b"x" * len(DATA)])
def test_another_upload_mends_a_damaged_payload(files: PayloadFiles, content: bytes) -> None:
    token = files.write(DATA)
    files.path(token).write_bytes(content)
    files.write(DATA)
    assert files.read(token) == DATA


def test_another_upload_makes_a_payload_young_again(files: PayloadFiles) -> None:
    token = files.write(DATA)
    make_old(files, token)
    now = datetime.now(UTC)
    assert files.age(token, now=now) == pytest.approx(7_200, abs=60)
    written = files.path(token).stat().st_ino
    files.write(DATA)
    assert files.age(token, now=now) == pytest.approx(0, abs=60)
    assert files.path(token).stat().st_ino == written


def test_a_payload_that_another_has_put_there_is_on_disk_before_its_token_is_given(
    files: PayloadFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = files.path(files.write(DATA)).parent
    synced = []
    sync = os.fsync

    def noted(handle: int) -> None:
        synced.append(os.fstat(handle).st_ino)
        sync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    files.write(DATA)
    assert synced == [folder.stat().st_ino]


def test_only_an_old_payload_is_removed(files: PayloadFiles) -> None:
    token = files.write(DATA)
    an_hour_ago = datetime.now(UTC) - HOUR
    assert not files.remove(token, uploaded_before=an_hour_ago)
    make_old(files, token)
    assert files.remove(token, uploaded_before=an_hour_ago)
    assert list(files.tokens()) == []
    assert files.remove(token, uploaded_before=an_hour_ago)


def test_nothing_is_removed_and_nobody_waits_while_an_upload_goes_on(files: PayloadFiles) -> None:
    token = files.write(DATA)
    make_old(files, token)
    with lock(files, fcntl.LOCK_SH):
        assert not files.remove(token, uploaded_before=datetime.now(UTC))
    assert files.remove(token, uploaded_before=datetime.now(UTC))


def test_an_upload_waits_for_a_removal_and_then_stores_the_payload_again(
    files: PayloadFiles,
) -> None:
    token = files.write(DATA)
    upload = Thread(target=files.write, args=(DATA,))
    with lock(files, fcntl.LOCK_EX):
        upload.start()
        files.path(token).unlink()
    upload.join()
    assert files.read(token) == DATA


def test_uploads_do_not_wait_for_each_other(files: PayloadFiles) -> None:
    files.prepare()
    with lock(files, fcntl.LOCK_SH):
        files.write(DATA)
    assert files.read(token_of(DATA)) == DATA


def test_many_threads_upload_the_same_payload(files: PayloadFiles) -> None:
    uploads = [Thread(target=files.write, args=(DATA,)) for _ in range(16)]
    for upload in uploads:
        upload.start()
    for upload in uploads:
        upload.join()
    assert files.read(token_of(DATA)) == DATA
    assert leftovers(files) == []


def test_other_files_in_the_directory_are_no_payloads(files: PayloadFiles) -> None:
    token = files.write(DATA)
    digest = token.removeprefix("file:v1:")
    elsewhere = files.directory / ("00" if digest[:2] != "00" else "01")
    elsewhere.mkdir()
    (elsewhere / digest).write_bytes(DATA)
    (files.path(token).parent / "README").write_text("")
    (files.directory / "ff").write_text("a file")
    (files.directory / "notes").mkdir()
    assert list(files.tokens()) == [token]


def test_a_directory_that_is_not_there_holds_nothing(files: PayloadFiles) -> None:
    assert list(files.tokens()) == []
    assert files.sweep(started_before=datetime.now(UTC)) == 0


KILLED_IN_A_WRITE = """
import os, signal, sys
from pathlib import Path
from services.shared.payload_files import PayloadFiles
os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
PayloadFiles(Path(sys.argv[1])).write(b"half" * 1000)
"""


def test_a_writer_that_is_killed_leaves_no_payload_and_its_rest_is_swept(
    files: PayloadFiles,
) -> None:
    files.prepare()
    folder = files.path(token_of(b"half" * 1000)).parent
    folder.mkdir()  # made and synced before, so that it is the payload's own sync that is met
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_IN_A_WRITE, files.directory], cwd=ROOT, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert list(files.tokens()) == []
    assert len(leftovers(files)) == 1
    assert files.sweep(started_before=datetime.now(UTC) - HOUR) == 0
    assert files.sweep(started_before=datetime.now(UTC) + HOUR) == 1
    assert leftovers(files) == []
    assert files.read(files.write(b"half" * 1000)) == b"half" * 1000


def test_a_write_that_finds_no_room_raises_and_leaves_nothing(files: PayloadFiles) -> None:
    files.prepare()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, before[1]))
        with pytest.raises(OSError, match="large") as caught:
            files.write(b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert caught.value.errno == errno.EFBIG
    assert list(files.tokens()) == []
    assert leftovers(files) == []


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder outside, with an old file of somebody else's in it."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def put_old(path: Path, content: bytes = b"precious") -> Path:
    path.write_bytes(content)
    then = datetime.now(UTC).timestamp() - 7_200
    os.utime(path, (then, then))
    return path


def test_what_links_lead_to_is_neither_listed_nor_removed(
    files: PayloadFiles, elsewhere: Path
) -> None:
    files.prepare()
    token = token_of(DATA)
    path = files.path(token)
    thesis = put_old(elsewhere / "thesis.doc")
    theirs = put_old(elsewhere / path.name, DATA)
    path.parent.symlink_to(elsewhere)
    partial = files.directory / ".partial"
    partial.rmdir()
    partial.symlink_to(elsewhere)
    now = datetime.now(UTC)
    assert list(files.tokens()) == []
    assert not files.remove(token, uploaded_before=now)
    assert files.sweep(started_before=now) == 0
    assert thesis.exists()
    assert theirs.exists()


def test_a_directory_that_is_a_link_itself_is_used_as_it_is(
    files: PayloadFiles, elsewhere: Path
) -> None:
    files.directory.symlink_to(elsewhere)
    token = files.write(DATA)
    assert list(files.tokens()) == [token]
    make_old(files, token)
    assert files.remove(token, uploaded_before=datetime.now(UTC))


@pytest.mark.parametrize("kind", ["fifo", "directory", "link"])
def test_what_is_no_file_is_told_and_never_waited_for(
    files: PayloadFiles, elsewhere: Path, kind: str
) -> None:
    files.prepare()
    token = token_of(DATA)
    path = files.path(token)
    path.parent.mkdir()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to(put_old(elsewhere / "theirs", DATA))
    with pytest.raises(PayloadMissingError, match=token) as refused:
        files.read(token)
    # Nothing of it was read.
    assert "damaged" not in refused.value.reason
    assert files.size(token) is None
    assert not files.remove(token, uploaded_before=datetime.now(UTC) + HOUR)
    assert path.is_symlink() or path.exists()


def test_odd_entries_among_the_unfinished_are_left(files: PayloadFiles) -> None:
    files.prepare()
    odd = files.directory / ".partial" / "odd"
    odd.mkdir()
    put_old(files.directory / ".partial" / "tmpabc")
    assert files.sweep(started_before=datetime.now(UTC) + HOUR) == 1
    assert leftovers(files) == ["odd"]
