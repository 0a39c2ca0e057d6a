"""The bench's row of open tabs, with so few orders that it says nothing about speed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Browser

from scripts.local_stack import ROOT
from tests.e2e.processes import children_of, end, is_alive, started, wait_until

# A bench starts its processes one after the other, beside all other tests.
SECONDS_MAX = 120


def test_a_run_is_watched_by_five_tabs(browser: Browser, tmp_path: Path) -> None:
    assert browser.is_connected()  # without a browser this is skipped
    arguments = ["--only", "tabs", "--rounds", "2", "--watched", "200", "--output", str(tmp_path)]
    ran = subprocess.run(
        [sys.executable, "-m", "scripts.bench", *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (home,) = tmp_path.iterdir()
    (row,) = json.loads((home / "results.json").read_text())["rows"]
    assert [run["tabs"] for run in row["series"]["runs"]] == [0, 5, 5, 0]
    assert all(run["browserCpu"] > 0 for run in row["series"]["runs"] if run["tabs"])
    assert "of the machine's CPU the browser used" in row["readings"][0]["detail"]


def test_ctrl_c_while_tabs_are_open_leaves_nothing_behind(browser: Browser, tmp_path: Path) -> None:
    assert browser.is_connected()  # without a browser this is skipped
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    log = tmp_path / "bench.log"
    # As soon as the second run is over the third begins, with tabs.
    arguments = ["--only", "tabs", "--only", "disk", "--rounds", "1000", "--watched", "500"]
    command = [sys.executable, "-m", "scripts.bench", *arguments, "--directory", str(temporary)]
    bench = started(command, log)
    try:
        wait_until(lambda: "round 1, 5 open" in log.read_text(), seconds=SECONDS_MAX)
        family = children_of(bench.pid)
        # The whole group, as a terminal does: the browser and its driver are asked, too.
        os.killpg(bench.pid, signal.SIGINT)
        assert bench.wait(SECONDS_MAX) == 130, log.read_text()
        wait_until(lambda: not any(map(is_alive, family)))
        assert not any(temporary.iterdir())
        assert "not measured" not in log.read_text()
    finally:
        end(bench)
