"""Logs are for people and machines: few lines, each of them one event, with ids as fields."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.local_stack import LocalStack
from tests.e2e.conftest import CommandLine

OrdersFile = Callable[..., Path]
# A run as `make demo` makes it: nothing is turned off, some orders fail, some are tried again.
LINES_MAX = 100


def logs_of(folder: Path) -> dict[str, list[str]]:
    """The lines of every part."""
    return {path.stem: path.read_text().splitlines() for path in folder.glob("*.log")}


@pytest.mark.parametrize("style", ["console", "json"])
def test_a_run_of_a_thousand_orders_stays_under_a_hundred_lines(
    tmp_path: Path, orders_file: OrdersFile, style: str
) -> None:
    environment = {"PROCESSING_MS": "3", "LOG_FORMAT": style}
    stack = LocalStack(
        workers=2, logs=tmp_path, environment=environment, usual_ports=False, dashboard=True
    )
    with stack:
        ran = CommandLine(stack.environment)(
            "submit", orders_file(style, 1_000), "--instance-id", "the-run", "--json"
        )
    assert ran.code == 0
    assert ran.document["orders"] == 1_000
    assert ran.document["by_status"]["failed"] > 0
    logs = logs_of(tmp_path)
    assert logs.keys() == {"scheduler", "worker-1", "worker-2", "dashboard"}
    lines = [line for part in logs.values() for line in part] + ran.err.splitlines()
    assert len(lines) < LINES_MAX, "\n".join(lines)
    # A few of a thousand are tried again, which is not enough to come to a hundred.
    assert not [line for line in lines if f"{style}-" in line]
    # And yet the run is there: when it began, and when it ended.
    assert sum("the-run" in line for line in logs["scheduler"]) == 2


def test_whoever_debugs_sees_every_order_with_its_ids_as_fields(
    tmp_path: Path, orders_file: OrdersFile
) -> None:
    environment = {
        "PROCESSING_MS": "0",
        "TRANSIENT_FAILURE_RATE": "0.3",
        "LOG_FORMAT": "json",
        "LOG_LEVEL": "debug",
    }
    with LocalStack(workers=1, logs=tmp_path, environment=environment, usual_ports=False) as stack:
        ran = CommandLine(stack.environment)(
            "submit", orders_file("seen", 30), "--instance-id", "seen", "--json"
        )
        assert ran.code == 0
    lines = [json.loads(line) for line in logs_of(tmp_path)["worker-1"]]
    told = [line for line in lines if "order_id" in line]
    ended = [line for line in told if "did not answer" not in line["message"]]
    assert sorted(line["order_id"] for line in ended) == sorted(f"seen-{n}" for n in range(1, 31))
    assert {line["instance_id"] for line in told} == {f"seen:{n:04x}" for n in range(1, 4)}
    assert len(told) > len(ended)
