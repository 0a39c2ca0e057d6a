"""A hundred thousand orders in one submission, with the settings that a person finds."""

import csv
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from scripts.local_stack import ROOT, LocalStack
from tests.e2e.conftest import CommandLine, StackMaker
from tests.e2e.histories import HISTORY_BYTES_MAX, history_bytes
from tests.e2e.test_submit import expected_books
from tests.e2e.test_tree import PROGRESS

# Other tests may keep the machine busy meanwhile.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_200)]

ORDERS = 100_000
BATCHES = 10_000
# A container of ours has 512 MB. Measured: 210, 250 and 240.
RSS_MIB_MAX = {"client": 300, "worker": 400, "scheduler": 400}
# Runs a command and writes down its peak in KiB. What we start ourselves has our own memory, all of
# the tests', for its peak until it becomes another program.
MEASURED = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w") as peak:
    peak.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What the submission came to, and what was told meanwhile."""

    orders: Path
    summary: dict[str, Any]
    messages: str
    rss_mib: int

    @property
    def instance_id(self) -> str:
        """The submission's."""
        return str(self.summary["instance_id"])


@pytest.fixture(scope="module")
def crowd(new_stack: StackMaker) -> Iterator[LocalStack]:
    """Two workers with the default settings, except that an order takes no time."""
    with new_stack(workers=2, TRANSIENT_FAILURE_RATE="0.05") as stack:
        yield stack


@pytest.fixture(scope="module")
def finished(crowd: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The submission, after its end."""
    folder = tmp_path_factory.mktemp("orders")
    orders, summary = folder / "orders.csv", folder / "summary.json"
    run(crowd, orders, "generate", ORDERS)
    messages, rss_mib = run(crowd, summary, "submit", orders, "--json")
    return Finished(
        orders=orders,
        summary=json.loads(summary.read_text()),
        messages=messages,
        rss_mib=rss_mib,
    )


def run(stack: LocalStack, out: Path, *arguments: object) -> tuple[str, int]:
    """Runs a command that succeeds; returns its messages and its peak memory in MiB."""
    errors, peak = out.with_suffix(".err"), out.with_suffix(".peak")
    with out.open("wb") as stdout, errors.open("wb") as stderr:
        ran = subprocess.run(
            [sys.executable, "-c", MEASURED, peak, *CommandLine.command(*arguments)],
            cwd=ROOT,
            env=stack.environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            check=False,
        )
    messages = errors.read_text()
    assert ran.returncode == 0, messages
    return messages, int(peak.read_text()) // 1024


def peak_rss_mib(stack: LocalStack, name: str) -> int:
    status = Path(f"/proc/{stack.process(name).pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) // 1024


def test_the_summary_is_exact(finished: Finished) -> None:
    statuses, revenue = expected_books(finished.orders.read_text())
    summary = finished.summary
    assert summary["status"] == "COMPLETED"
    assert (summary["orders"], summary["batches"]) == (ORDERS, BATCHES)
    assert (summary["by_status"], summary["revenue"]) == (statuses, revenue)
    assert summary["failures_total"] == statuses["failed"]
    assert len(summary["failures"]) == 100


def test_every_order_has_exactly_one_outcome_and_these_add_up(
    crowd: LocalStack, finished: Finished, tmp_path: Path
) -> None:
    out = tmp_path / "results.csv"
    _messages, rss_mib = run(crowd, out, "results", finished.instance_id, "--format", "csv")
    statuses: Counter[str] = Counter()
    revenue: dict[str, Decimal] = {}
    with finished.orders.open() as asked, out.open() as answered:
        for order, row in zip(csv.DictReader(asked), csv.DictReader(answered), strict=True):
            assert row["order_id"] == order["order_id"]
            statuses[row["status"]] += 1
            if row["status"] == "completed":
                amount = int(order["quantity"]) * Decimal(order["unit_price"])
                assert (Decimal(row["amount"]), row["currency"]) == (amount, order["currency"])
                revenue[row["currency"]] = revenue.get(row["currency"], Decimal(0)) + amount
    assert statuses == finished.summary["by_status"]
    assert {name: f"{total:.2f}" for name, total in revenue.items()} == finished.summary["revenue"]
    assert rss_mib < RSS_MIB_MAX["client"]


def test_progress_was_told_all_the_way_and_never_fell(finished: Finished) -> None:
    told = [
        [int(number.replace(",", "")) for number in found]
        for found in PROGRESS.findall(finished.messages)
    ]
    done = [(orders, batches) for orders, _all, batches, _batches in told]
    assert done == sorted(done)
    assert {(orders, batches) for _done, orders, _batches_done, batches in told} == {
        (ORDERS, BATCHES)
    }
    # A line every five seconds, of which a run has many.
    assert len({orders for orders, _batches in done if 0 < orders < ORDERS}) >= 3


def test_no_history_grows_beyond_a_mebibyte(crowd: LocalStack, finished: Finished) -> None:
    sizes = history_bytes(crowd, finished.instance_id)
    # 12 parts of 900 batches, the last of 100; these in parts of 30.
    assert len(sizes) == 1 + 12 + 334 + BATCHES
    assert max(sizes.values()) < HISTORY_BYTES_MAX


def test_nobody_holds_much(
    crowd: LocalStack, finished: Finished, record_testsuite_property: Callable[[str, object], None]
) -> None:
    peaks = {
        "client": finished.rss_mib,
        "scheduler": peak_rss_mib(crowd, "scheduler"),
        "worker-1": peak_rss_mib(crowd, "worker-1"),
        "worker-2": peak_rss_mib(crowd, "worker-2"),
    }
    record_testsuite_property("peak_rss_mib", peaks)
    assert {
        name: peak for name, peak in peaks.items() if peak > RSS_MIB_MAX[name.partition("-")[0]]
    } == {}
