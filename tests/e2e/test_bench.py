"""The bench itself, with numbers so small that they say nothing about speed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.bench.rows import KEYS
from scripts.local_stack import ROOT
from tests.e2e.processes import children_of, end, is_alive, started, wait_until

# A bench starts its processes one after the other, beside all other tests.
SECONDS_MAX = 120
TINY = {
    "rounds": 1, "orders": 40, "batch-size": 10, "many": 120, "few": 40, "single": 6, "naps": 8,
    "instances": 200, "watched": 40, "submitted": 40,
}  # fmt: skip


def command(*arguments: str, output: Path) -> list[str]:
    sizes = [text for name, size in TINY.items() for text in (f"--{name}", str(size))]
    return [sys.executable, "-m", "scripts.bench", *arguments, *sizes, "--output", str(output)]


def document_of(output: Path) -> Any:
    (home,) = output.iterdir()
    return json.loads((home / "results.json").read_text())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_bench_reports_every_row_and_leaves_nothing_behind(tmp_path: Path) -> None:
    # The row that needs a browser is run where browsers are: tests/browser/test_bench_tabs.py.
    keys = [key for key in KEYS if key != "tabs"]
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    output = tmp_path / "results"
    rows = [text for key in keys for text in ("--only", key)]
    family: set[int] = set()
    with subprocess.Popen(
        command(*rows, "--directory", str(temporary), output=output),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as bench:
        assert bench.stdout is not None
        lines = []
        for line in bench.stdout:
            lines.append(line)
            family |= set(children_of(bench.pid))
    assert bench.returncode == 0, "".join(lines)
    assert family
    assert not any(map(is_alive, family))
    assert not any(temporary.iterdir())

    document = document_of(output)
    assert [row["key"] for row in document["rows"]] == keys
    for row in document["rows"]:
        assert row["status"] in {"met", "missed"}
        assert all(each["min"] <= each["max"] and each["detail"] for each in row["readings"])
    (start,) = next(row for row in document["rows"] if row["key"] == "start")["readings"]
    assert start["detail"].startswith("200 instances, ")
    assert document["changedSizes"]["orders"] == 40
    assert document["noise"]["spinMilliseconds"]["min"] > 0
    (home,) = output.iterdir()
    assert {path.name for path in home.iterdir()} == {
        "results.json", "report.md", "throughput.svg", "cost.svg", "latency.svg",
    }  # fmt: skip
    assert "![Latency of one order](latency.svg)" in (home / "report.md").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_bench_that_is_stopped_leaves_nothing_behind(
    tmp_path: Path, number: signal.Signals
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    log = tmp_path / "bench.log"
    arguments = command("--only", "worker-cpu", "--directory", str(temporary), output=tmp_path)
    bench = started([*arguments, "--rounds", "100000"], log)
    try:
        wait_until(lambda: "round 2" in log.read_text(), seconds=SECONDS_MAX)
        family = children_of(bench.pid)
        os.killpg(bench.pid, number)
        assert bench.wait(SECONDS_MAX) == 130
        # Three variants: a server and two workers each.
        assert len(family) == 9
        wait_until(lambda: not any(map(is_alive, family)))
        assert not any(temporary.iterdir())
        assert "nothing was reported" in log.read_text()
    finally:
        end(bench)


def test_a_server_that_ends_is_a_row_that_is_not_measured(tmp_path: Path) -> None:
    log = tmp_path / "bench.log"
    output = tmp_path / "results"
    arguments = command("--only", "worker-cpu", output=output)
    bench = started([*arguments, "--rounds", "100000"], log)
    try:
        wait_until(lambda: "round 2" in log.read_text(), seconds=SECONDS_MAX)
        schedulers = [
            pid
            for pid in children_of(bench.pid)
            if b"services.scheduler" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        os.kill(schedulers[0], signal.SIGKILL)
        assert bench.wait(SECONDS_MAX) == 1
    finally:
        end(bench)
    (row,) = document_of(output)["rows"]
    assert row["status"] == "not measured"
    assert row["why"]


def test_a_directory_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    ran = subprocess.run(
        command("--directory", str(tmp_path / "none"), output=tmp_path),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 2
    assert "there is no such directory" in ran.stderr
