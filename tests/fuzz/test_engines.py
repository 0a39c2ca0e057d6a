"""The fuzzers themselves: a short run of each, and what they make of one."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.local_stack import ROOT
from tests.fuzz.blind import fuzz
from tests.fuzz.targets import TARGETS

GUIDED = ["rpc", "http", "orders-csv"]


def run(*arguments: str, cwd: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_a_short_run_finds_nothing(tmp_path: Path) -> None:
    ran = run("tests.fuzz", "--minutes", "0.1", "--seed", "7", cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.rstrip().endswith("seed 7")
    executions = dict(re.findall(r"^([a-z-]+) {2,}([0-9,]+)", ran.stdout, re.MULTILINE))
    assert executions.keys() == {*TARGETS, "all"}
    assert "0" not in executions.values()


@pytest.mark.usefixtures("atheris")
@pytest.mark.parametrize("target", GUIDED)
def test_a_short_run_by_coverage_finds_nothing(target: str) -> None:
    ran = run("tests.fuzz.guided", target, "--seconds", "2")
    assert ran.returncode == 0, ran.stderr[-3_000:]
    told = json.loads(ran.stdout.splitlines()[-1])
    assert told["findings"] == []
    assert told["executions"] > 100


def test_a_seed_makes_the_same_run() -> None:
    runs = [fuzz("orders-csv", executions=2_000, seconds=60, seed="3").outcomes for _ in range(2)]
    assert runs[0] == runs[1]
    assert fuzz("orders-csv", executions=2_000, seconds=60, seed="4").outcomes != runs[0]
