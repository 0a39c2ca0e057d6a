import os
import subprocess
import sys

import pytest

from scripts.local_stack import ROOT

SERVICES = pytest.mark.parametrize("service", ["dashboard", "scheduler", "worker"])


def run_service(service: str, *arguments: str, out: int) -> "subprocess.CompletedProcess[str]":
    """A service that nothing but its arguments can end within the time."""
    return subprocess.run(
        [sys.executable, "-m", f"services.{service}", *arguments],
        cwd=ROOT,
        stdout=out,
        stderr=subprocess.PIPE,
        text=True,
        timeout=30,
        check=False,
    )


@SERVICES
@pytest.mark.parametrize("argument", ["--help", "-h"])
def test_a_service_that_is_asked_for_help_tells_its_settings_and_ends(
    service: str, argument: str
) -> None:
    ran = run_service(service, argument, out=subprocess.PIPE)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith(f"usage: python -m services.{service} [--help")
    assert "  LOG_LEVEL " in ran.stdout
    assert all(len(line) <= 80 for line in ran.stdout.splitlines())


@SERVICES
@pytest.mark.parametrize("arguments", [["--port=1"], ["--help", "serve"], ["a\nb"]], ids=str)
def test_an_argument_that_a_service_does_not_take_is_refused_in_a_line(
    service: str, arguments: list[str]
) -> None:
    ran = run_service(service, *arguments, out=subprocess.PIPE)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert len(ran.stderr.splitlines()) == 1
    assert repr(arguments[-1]) in ran.stderr
    assert "--help" in ran.stderr


@SERVICES
def test_help_that_nobody_reads_ends_quietly(service: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ran = run_service(service, "--help", out=writer)
    os.close(writer)
    assert (ran.returncode, ran.stderr) == (141, "")
