"""The bench's row of open tabs, with so few orders that it says nothing about speed."""

import json
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Browser

from scripts.local_stack import ROOT


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
