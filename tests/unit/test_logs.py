import json
import logging
import subprocess
import sys

import pytest

from scripts.local_stack import ROOT

PROGRAM = """
import logging, sys
from services.shared.logs import configure_logging
configure_logging(level="info", style=sys.argv[1])
log = logging.getLogger("services.example")
try:
    raise ValueError("first line\\nsecond line")
except ValueError:
    log.exception("it failed", extra={"instance_id": "order-1"})
log.info("two\\nlines")
"""

# What the installed ones log with themselves: another name in a newer one would be let through.
OTHERS = """
import importlib, logging, sys
from services.shared.logs import configure_logging
configure_logging(level="debug", style="json")
theirs = vars(importlib.import_module(sys.argv[1]))[sys.argv[2]]
for log in (theirs, logging.getLogger("services.example")):
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        log.log(level, "GET /a?code=hunter2hunter2")
"""


def written(style: str) -> list[str]:
    """What a process of its own writes: the configuration is the whole process's."""
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, style], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return ran.stderr.splitlines()


def test_a_traceback_is_one_line_of_json_with_its_fields() -> None:
    lines = written("json")
    assert len(lines) == 2
    failed, told = map(json.loads, lines)
    assert failed["message"] == "it failed"
    assert failed["instance_id"] == "order-1"
    assert failed["levelname"] == "ERROR"
    assert "second line" in failed["exc_info"]
    assert "Traceback" in failed["exc_info"]
    assert told["message"] == "two\nlines"


def test_a_message_of_several_lines_is_one_line_on_the_console() -> None:
    lines = written("console")
    assert lines[-1].endswith("two\\nlines")
    assert any(line.startswith("Traceback") for line in lines)


@pytest.mark.parametrize("name", ["durabletask.worker", "uvicorn"])
def test_others_say_less_than_we_do(name: str) -> None:
    program = PROGRAM.replace("services.example", name)
    ran = subprocess.run(
        [sys.executable, "-c", program, "json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    levels = [json.loads(line)["levelname"] for line in ran.stderr.splitlines()]
    assert levels == [logging.getLevelName(logging.ERROR)]


@pytest.mark.parametrize(
    ("module", "log", "levels"),
    [
        # A token's claims and where it was asked for, and addresses with what is signed in them.
        ("msal.application", "logger", ["WARNING", "ERROR"]),
        ("urllib3.connectionpool", "log", ["WARNING", "ERROR"]),
        # What it says of a sign-in that is refused, our own line says too.
        ("azure.identity._internal.decorators", "_LOGGER", ["ERROR"]),
    ],
)
def test_what_carries_secrets_is_quiet_even_for_who_debugs(
    module: str, log: str, levels: list[str]
) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", OTHERS, module, log],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [json.loads(line) for line in ran.stderr.splitlines()]
    theirs = [line["levelname"] for line in lines if line["name"] == module]
    ours = [line["levelname"] for line in lines if line["name"] == "services.example"]
    assert (theirs, ours) == (levels, ["DEBUG", "INFO", "WARNING", "ERROR"])
