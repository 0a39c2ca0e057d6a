import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.local_stack import ROOT
from services.scheduler.store.findings import Kind
from tests.e2e.conftest import StackMaker
from tests.e2e.damage import DAMAGE, change, damage_page, payload_file
from tests.e2e.keeping import DONE, Keeper, furnish, run_command
from tests.e2e.schedulers import data_of

INSTANCES = DONE + 4
ALL_WELL = f"default: {INSTANCES} instances, 1 entity, 1 payload, schema 3\n"


def holdings(data: Path) -> dict[str, bytes]:
    """What every file holds."""
    return {
        str(path.relative_to(data)): path.read_bytes() for path in data.rglob("*") if path.is_file()
    }


def test_a_sound_directory_has_no_findings_and_stays_as_it_is(keeper: Keeper) -> None:
    before = holdings(keeper.data)
    ran = keeper("check")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"{ALL_WELL}{keeper.data}: 1 task hub, nothing is wrong\n"
    assert holdings(keeper.data) == before


def test_a_running_scheduler_is_checked_like_any_other(new_stack: StackMaker) -> None:
    with new_stack(workers=0) as stack:
        furnish(stack)
        ran = run_command(data_of(stack), "check")
        assert (ran.code, ran.out.startswith(ALL_WELL)) == (0, True), ran.out + ran.err
        # Nor does an unclean stop leave anything that is wrong.
        stack.process("scheduler").kill()
        stack.process("scheduler").wait()
        assert (data_of(stack) / "default.db-wal").stat().st_size > 0
        ran = run_command(data_of(stack), "check")
        assert (ran.code, ran.out.startswith(ALL_WELL)) == (0, True), ran.out + ran.err


@pytest.mark.parametrize("how", DAMAGE)
def test_what_is_wrong_is_told_with_where_it_is_and_what_to_do(keeper: Keeper, how: str) -> None:
    damage, kind, where = DAMAGE[how]
    damage(keeper.data / "default.db")
    before = holdings(keeper.data)
    ran = keeper("check")
    assert ran.code == 1, ran.out
    assert ran.err == ""
    found = re.search(
        rf"^  {re.escape(kind.what)} \(\d+\)\n((?:    .*\n)+)", ran.out, flags=re.MULTILINE
    )
    assert found is not None, ran.out
    *places, advice = found[1].splitlines()
    assert any(re.search(where, place) for place in places), ran.out
    assert advice == f"    -> {kind.advice}"
    assert re.search(r": \d+ task hubs?, \d+ findings?$", ran.out.rstrip())
    assert holdings(keeper.data) == before


def test_every_kind_of_finding_is_tried() -> None:
    assert {kind for _damage, kind, _where in DAMAGE.values()} == set(Kind) - {
        Kind.NO_STORE,
        Kind.OUT_OF_REACH,
    }


def test_payloads_cannot_be_looked_at_without_their_directory(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAYLOAD_STORE", "none")
    ran = keeper("check")
    assert ran.code == 1
    assert f"  {Kind.NO_STORE.what} (1)\n    1 payloads\n" in ran.out


def test_one_damaged_hub_hides_nothing_of_the_others(keeper: Keeper) -> None:
    shutil.copy(keeper.data / "default.db", keeper.data / "other.db")
    (keeper.data / "bad.db").write_text("Dear diary, " * 100)
    payload_file(keeper.data / "default.db").unlink()
    ran = keeper("check")
    assert ran.code == 1
    assert re.findall(r"^\w+(?=: \d)", ran.out, flags=re.MULTILINE) == ["bad", "default", "other"]
    assert f"{keeper.data}: 3 task hubs, 3 findings\n" in ran.out


def test_many_findings_of_a_kind_are_told_with_examples(keeper: Keeper) -> None:
    change(
        keeper.data / "default.db",
        "INSERT INTO messages WITH RECURSIVE n (i) AS (VALUES (1000) UNION ALL"
        " SELECT i + 1 FROM n WHERE i < 1024) SELECT i, 1, x'' FROM n",
    )
    ran = keeper("check")
    assert "  messages of missing instances (25)\n" in ran.out
    assert ran.out.count("    instance 1") == 10
    assert "    ... and 15 more\n" in ran.out


def test_findings_that_say_nothing_new_are_counted_and_not_told(keeper: Keeper) -> None:
    file = keeper.data / "default.db"
    for table in ("histories", "messages"):
        damage_page(file, table)
    ran = keeper("check")
    assert ran.code == 1
    places = re.findall(r"^    (?!->|\.\.\.)(.*)$", ran.out, flags=re.MULTILINE)
    assert len({re.sub(r"\d+", "n", place) for place in places}) == len(places)
    more = [int(number) for number in re.findall(r"\.\.\. and (\d+) more like it", ran.out)]
    [found] = re.findall(r"^  the file is damaged \((\d+)\)$", ran.out, flags=re.MULTILINE)
    assert more
    assert len(places) + sum(more) == int(found)
    assert "***" not in ran.out


def test_findings_that_nobody_reads_end_quietly(keeper: Keeper) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ran = subprocess.run(
        [sys.executable, "-m", "services.scheduler", "check"],
        cwd=ROOT,
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    os.close(writer)
    assert (ran.returncode, ran.stderr) == (141, b"")
    assert keeper.data.is_dir()


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_a_file_without_a_name_is_asked_for_in_a_line(keeper: Keeper, command: str) -> None:
    ran = keeper(command, "")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "FILE must name a file, such as FILE=home.backup\n"


@pytest.mark.parametrize("make", [Path.mkdir, lambda _path: None], ids=["empty", "missing"])
def test_where_there_is_no_task_hub_nothing_can_be_checked(
    keeper: Keeper,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    make: Callable[[Path], object],
) -> None:
    make(tmp_path / "none")
    ran = keeper.at(tmp_path / "none", monkeypatch)("check")
    assert (ran.code, ran.out) == (2, "")
    assert re.fullmatch(rf"there is no (task hub in|data directory) {tmp_path / 'none'}\n", ran.err)


@pytest.mark.parametrize(
    "arguments", [["check", "now"], ["backup"], ["restore"], ["backup", "a", "b"], ["check", "-x"]]
)
def test_wrong_arguments_are_told_with_the_usage(keeper: Keeper, arguments: list[str]) -> None:
    ran = keeper(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("usage: python -m services.scheduler")


@pytest.mark.parametrize("name", ["backup", "restore", "check"])
def test_every_command_explains_itself(keeper: Keeper, name: str) -> None:
    ran = keeper(name, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert "exit codes: 0 " in ran.out
    assert "SCHEDULER_DATA_DIR" in ran.out
    assert f"  {name} " in run_command(keeper.data, "--help").out


def test_bad_settings_are_told(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYLOAD_STORE", "https://nowhere")
    ran = keeper("check")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("PAYLOAD_STORE=")
