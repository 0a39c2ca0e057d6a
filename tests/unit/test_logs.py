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
