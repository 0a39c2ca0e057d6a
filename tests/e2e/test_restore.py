import hashlib
import io
import json
import os
import shutil
import sqlite3
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from services.scheduler.store.database import SCHEMA_VERSION, open_writer
from tests.e2e.damage import change, damage_page, payload_file
from tests.e2e.keeping import LARGE, Keeper, command, hubs_of, left_in, refused
from tests.e2e.processes import wait_until
from tests.store.test_migrations import of_version_1


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


# What is restored


def test_what_is_restored_is_what_was_backed_up(file: Path, keeper: Keeper, new: Keeper) -> None:
    ran = new("restore", file)
    assert (ran.code, ran.out) == (0, "")
    assert "task hubs default; 1 payload\n" in ran.err
    assert new("check").code == 0
    dumps = []
    for data in (keeper.data, new.data):
        with closing(sqlite3.connect(data / "default.db")) as connection:
            dumps.append(list(connection.iterdump()))
    assert dumps[0] == dumps[1]
    assert payload_file(new.data / "default.db").read_bytes() == LARGE
    assert new.data.stat().st_mode & 0o777 == 0o700
    assert (new.data / "default.db").stat().st_mode & 0o777 == 0o600
    # Two directories that may name the same payloads are two.
    assert not (keeper.data / "directory.id").exists() or (
        (keeper.data / "directory.id").read_text() != (new.data / "directory.id").read_text()
    )
    assert not any(name.startswith("restore") for name in left_in(new.data))


@pytest.mark.parametrize("name", ["default.db", "other.db-wal", "old.db.deleted-20260101T000000-0"])
def test_a_directory_that_holds_anything_of_a_hub_is_refused(
    file: Path, new: Keeper, name: str
) -> None:
    new.data.mkdir()
    (new.data / name).write_text("mine")
    said = refused(new, "restore", file)
    assert f"the data directory {new.data} is not empty: it holds {name};" in said
    assert (new.data / name).read_text() == "mine"
    assert hubs_of(new.data) == [name]


def test_a_file_that_is_missing_is_told(new: Keeper, tmp_path: Path) -> None:
    said = refused(new, "restore", tmp_path / "none")
    assert said == f"{tmp_path / 'none'}: No such file or directory\n"


def test_a_backup_that_is_cut_off_is_refused_wherever_it_ends(file: Path, new: Keeper) -> None:
    whole = file.read_bytes()
    contents = whole.index(b"contents.json")
    ends = [
        0,
        1,
        100,
        512,
        1_024,
        *range(2_000, contents, contents // 12),
        contents,
        contents + 600,
    ]
    for size in ends:
        file.write_bytes(whole[:size])
        said = refused(new, "restore", file)
        assert "hub.backup is" in said
        assert hubs_of(new.data) == []
        assert not (new.data / "restore.partial").exists()


def test_a_backup_with_a_damaged_byte_is_refused_or_restored_as_it_was(
    file: Path, keeper: Keeper, new: Keeper
) -> None:
    whole = file.read_bytes()
    codes = set()
    for number, at in enumerate(range(3, len(whole), len(whole) // 60)):
        damaged = bytearray(whole)
        damaged[at] ^= 0x41 + number
        file.write_bytes(damaged)
        shutil.rmtree(new.data, ignore_errors=True)
        ran = new("restore", file)
        codes.add(ran.code)
        assert ran.code in {0, 2}, ran.err
        assert hubs_of(new.data) == ([] if ran.code else ["default.db"])
        if ran.code == 0:
            restored = (new.data / "default.db").read_bytes()
            assert restored[100:] == (keeper.data / "default.db").read_bytes()[100:]
    assert 2 in codes


def archive(file: Path, *members: tuple[str, bytes]) -> None:
    with tarfile.open(file, "w") as tar:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


HEAD = ("backup.json", b'{"format": 1}')
NOTHING = ("contents.json", b'{"hubs": [], "payloads": 0}')
WRONG: dict[str, tuple[Sequence[tuple[str, bytes]], str]] = {
    "a newer format": (
        [("backup.json", b'{"format": 2}')],
        "a newer version of the scheduler made",
    ),
    "another archive": ([("readme.txt", b"hello")], "is no backup: 'readme.txt' does not belong"),
    "a path that leads out": ([HEAD, ("hubs/../../x.db", b"x"), NOTHING], "does not belong"),
    "an absolute path": ([HEAD, ("/hubs/x.db", b"x"), NOTHING], "does not belong"),
    "no hub": ([HEAD, NOTHING], "not all is in it"),
    "a hub that is not told of": ([HEAD, ("hubs/x.db", b"x"), NOTHING], "not all is in it"),
    "a hub twice": ([HEAD, ("hubs/x.db", b"x"), ("hubs/x.db", b"x")], "it holds x twice"),
    "no contents": ([HEAD, ("hubs/x.db", b"x")], "is not whole"),
    "contents that are garbage": ([HEAD, ("contents.json", b"{")], "is damaged"),
    "a beginning without bottom": ([("backup.json", b"[" * 100_000)], "is damaged"),
    "contents without bottom": ([HEAD, ("contents.json", b"[" * 100_000)], "is damaged"),
    "contents of another shape": ([HEAD, ("contents.json", b"[1]")], "is damaged"),
    "contents without hubs": ([HEAD, ("contents.json", b'{"a": 1}')], "does not tell its contents"),
    "hubs that are none": (
        [HEAD, ("contents.json", b'{"hubs": [7], "payloads": 0}')],
        "does not tell its contents",
    ),
    "what was left out is no list": (
        [HEAD, ("contents.json", b'{"hubs": [], "payloads": 0, "left_out": 7}')],
        "does not tell its contents",
    ),
    "more after its end": ([HEAD, NOTHING, ("hubs/x.db", b"x")], "does not belong"),
    "a payload of another name": (
        [HEAD, (f"payloads/{'0' * 64}", b"x"), NOTHING],
        f"its payload {'0' * 64} is another one",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_backup_is_refused(new: Keeper, tmp_path: Path, what: str) -> None:
    members, told = WRONG[what]
    archive(tmp_path / "wrong", *members)
    assert told in refused(new, "restore", tmp_path / "wrong")
    assert left_in(new.data) <= {"scheduler.lock", "directory.id", "payloads"}
    assert left_in(tmp_path) == {"data", "new", "wrong"}


def test_a_link_in_a_backup_is_refused(new: Keeper, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "wrong", "w") as tar:
        head = tarfile.TarInfo("backup.json")
        head.size = len(HEAD[1])
        tar.addfile(head, io.BytesIO(HEAD[1]))
        link = tarfile.TarInfo("hubs/x.db")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "data" / "default.db")
        tar.addfile(link)
    assert "does not belong" in refused(new, "restore", tmp_path / "wrong")


# Versions


def remade(file: Path, act: Callable[[Path], object]) -> None:
    """Changes the hub in a backup, which says so."""
    folder = file.parent / "remade"
    with tarfile.open(file) as tar:
        tar.extractall(folder, filter="data")
    hub = folder / "hubs" / "default.db"
    act(hub)
    for beside in hub.parent.glob("*.db-*"):
        beside.unlink()
    contents = json.loads((folder / "contents.json").read_text())
    contents["hubs"][0]["sha256"] = _sha256(hub)
    members = [HEAD, ("hubs/default.db", hub.read_bytes())]
    members += [(f"payloads/{path.name}", path.read_bytes()) for path in folder.glob("payloads/*")]
    archive(file, *members, ("contents.json", json.dumps(contents).encode()))
    shutil.rmtree(folder)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


REFUSED_HUBS: dict[str, tuple[Callable[[Path], object], str]] = {
    "newer": (
        lambda hub: change(hub, "PRAGMA user_version = 99"),
        "task hub default: a newer version of the scheduler made it (schema 99",
    ),
    "foreign": (
        lambda hub: change(hub, "PRAGMA application_id = 7"),
        "task hub default: it is not a task hub's file",
    ),
    "other tables": (
        lambda hub: change(hub, "DROP TABLE alarms"),
        "task hub default: its tables are not those of a task hub",
    ),
    "cut off": (lambda hub: os.truncate(hub, 8 * 4_096), "task hub default"),
    "damaged": (
        lambda hub: damage_page(hub, "activities"),
        "its task hub default is damaged: ",
    ),
}


@pytest.mark.parametrize("how", REFUSED_HUBS)
def test_a_hub_that_no_scheduler_here_could_open_is_refused(
    file: Path, new: Keeper, how: str
) -> None:
    act, told = REFUSED_HUBS[how]
    remade(file, act)
    assert told in refused(new, "restore", file)
    assert hubs_of(new.data) == []


def test_a_hub_of_an_earlier_version_is_kept_and_migrated_when_it_is_opened(
    keeper: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = keeper.at(tmp_path / "old", monkeypatch)
    old.data.mkdir()
    of_version_1(old.data / "default.db")
    file = tmp_path / "old.backup"
    assert old("backup", file).code == 0
    new = keeper.at(tmp_path / "new", monkeypatch)
    assert new("restore", file).code == 0
    assert "schema 1\n" in new("check").out
    with closing(open_writer(new.data / "default.db")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert connection.execute("SELECT count(*) FROM instances").fetchone() == (4,)


# Streams


def test_a_backup_is_a_stream_where_it_is_asked_for(keeper: Keeper, tmp_path: Path) -> None:
    file, new = tmp_path / "hub.backup", tmp_path / "new"
    before = left_in(keeper.data)
    with file.open("wb") as out:
        made = subprocess.run(command("backup", "-"), stdout=out, timeout=30, check=False)
    assert made.returncode == 0
    assert left_in(keeper.data) == before
    settings = {"SCHEDULER_DATA_DIR": str(new), "PAYLOAD_STORE": str(new / "payloads")}
    with file.open("rb") as given:
        ran = subprocess.run(
            command("restore", "-"), stdin=given, env=os.environ | settings, timeout=30, check=False
        )
    assert ran.returncode == 0
    assert hubs_of(new) == ["default.db"]


@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_a_stream_that_nobody_reads_on_is_told(keeper: Keeper, size: int) -> None:
    before = left_in(keeper.data)
    with subprocess.Popen(
        command("backup", "-"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(size)
        process.stdout.close()
        assert process.stderr.read() == b"Broken pipe\n"
        assert process.wait(30) == 2
    assert left_in(keeper.data) == before


@contextmanager
def half_restored(file: Path, new: Keeper) -> Iterator["subprocess.Popen[bytes]"]:
    """A restore that has come to the middle of the hub's file, and waits for the rest of it."""
    whole = file.read_bytes()
    with subprocess.Popen(
        command("restore", "-"),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Whoever runs it may have one that keeps nobody out.
        umask=0,
    ) as process:
        assert process.stdin is not None
        try:
            process.stdin.write(whole[: len(whole) // 2])
            process.stdin.flush()
            wait_until((new.data / "restore.partial" / "default.db").exists)
            yield process
        finally:
            process.kill()


def test_a_restore_that_is_killed_has_done_nothing_and_the_next_one_clears_up(
    file: Path, new: Keeper
) -> None:
    with half_restored(file, new):
        # Whoever comes meanwhile has to wait.
        assert "is in use by another scheduler" in refused(new, "restore", file)
    assert hubs_of(new.data) == []
    assert (new.data / "restore.partial").exists()
    assert new("restore", file).code == 0
    assert hubs_of(new.data) == ["default.db"]
    assert not (new.data / "restore.partial").exists()


def test_nobody_else_can_look_into_what_is_being_restored(file: Path, new: Keeper) -> None:
    # One that was there, with something of others in it, stays as open as it was.
    new.data.mkdir()
    new.data.chmod(0o755)
    (new.data / "others.txt").write_text("")
    with half_restored(file, new):
        assert new.data.stat().st_mode & 0o777 == 0o755
        assert (new.data / "restore.partial").stat().st_mode & 0o777 == 0o700


def test_payloads_that_are_restored_are_claimed_before_anybody_else_collects_them(
    file: Path, new: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAYLOAD_STORE", str(tmp_path / "payloads"))
    assert new("restore", file).code == 0
    identity = (new.data / "directory.id").read_text().strip()
    claim = tmp_path / "payloads" / ".schedulers" / identity
    assert claim.read_text().strip() == str(new.data)
