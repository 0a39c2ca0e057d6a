"""Submissions of many batches: a tree of orchestrations, and what the client makes of it."""

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.local_stack import LocalStack
from tests.e2e.conftest import CommandLine, StackMaker
from tests.e2e.histories import HISTORY_BYTES_MAX, history_bytes
from tests.e2e.processes import end, wait_until
from tests.e2e.schedulers import hub_of, kill_and_start
from tests.e2e.test_submit import expected_books

OrdersFile = Callable[..., Path]
PROGRESS = re.compile(r"([\d,]+) of ([\d,]+) orders, ([\d,]+) of ([\d,]+) batches")
ORDERS = 1_000


@pytest.fixture(scope="module")
def tree(client: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A finished submission of 1,000 batches of one order: its instance id, and its CSV."""
    path = tmp_path_factory.mktemp("orders") / "tree.csv"
    path.write_text(client("generate", ORDERS, "--seed", 11).out)
    ran = client("submit", path, "--batch-size", 1, "--json")
    assert ran.code == 0, ran.err
    return ran.document["instance_id"], path.read_text()


def test_a_tree_comes_to_exactly_what_its_orders_add_up_to(
    client: CommandLine, tree: tuple[str, str], stack: LocalStack
) -> None:
    instance_id, generated = tree
    statuses, revenue = expected_books(generated)
    summary = client("wait", instance_id, "--json").document
    assert (summary["orders"], summary["batches"]) == (ORDERS, ORDERS)
    assert (summary["by_status"], summary["revenue"]) == (statuses, revenue)
    assert summary["failures_total"] == statuses["failed"]
    listed = [failure["order_id"] for failure in summary["failures"]]
    failed = [
        row["order_id"]
        for row in client("results", instance_id, "--json").document
        if row["status"] == "failed"
    ]
    assert listed == failed[:100]
    sizes = history_bytes(stack, instance_id)
    # 2 parts of 900 and 100 batches, these in 30 and 4 of at most 30.
    assert len(sizes) == 1 + 2 + 34 + ORDERS
    assert max(sizes.values()) < HISTORY_BYTES_MAX


def test_results_of_a_tree_hold_every_order_once_in_every_format(
    client: CommandLine, tree: tuple[str, str]
) -> None:
    instance_id, generated = tree
    wanted = [row["order_id"] for row in csv.DictReader(io.StringIO(generated))]
    rows = client("results", instance_id, "--json").document
    assert [row["order_id"] for row in rows] == wanted
    as_csv = list(
        csv.DictReader(io.StringIO(client("results", instance_id, "--format", "csv").out))
    )
    assert [{k: v for k, v in row.items() if v} for row in as_csv] == rows
    lines = client("results", instance_id).out.splitlines()
    assert [line.split()[0] for line in lines] == ["order_id", *wanted]
    # One table to the eye: a column begins at the same place in all its lines.
    assert {line.index(row["status"]) for line, row in zip(lines[1:], rows, strict=True)} == {
        lines[0].index("status")
    }


def test_a_tree_is_listed_as_one_and_purged_as_a_whole(
    client: CommandLine, orders_file: OrdersFile
) -> None:
    path = orders_file("purged-tree", 150)
    instance_id = client("submit", path, "--batch-size", 1, "--json").document["instance_id"]
    listed = client("list", "--limit", 10_000, "--json").document
    assert [r["instance_id"] for r in listed if r["instance_id"].startswith(instance_id)] == [
        instance_id
    ]
    purged = client("purge", instance_id)
    assert purged.code == 0
    assert "purged, 156 in all" in purged.err
    left = client("list", "--children", "--limit", 10_000, "--json").document
    assert not [row for row in left if row["instance_id"].startswith(instance_id)]


def test_the_same_orders_attach_to_a_flat_run_of_an_earlier_version(
    client: CommandLine, stack: LocalStack, orders_file: OrdersFile
) -> None:
    path = orders_file("earlier", 120)
    orders = [
        row | {"quantity": int(row["quantity"])}
        for row in csv.DictReader(io.StringIO(path.read_text()))
    ]
    with hub_of(stack) as hub:
        hub.client.schedule_new_orchestration(
            "main_orchestration", input={"orders": orders, "batch_size": 1}, instance_id="earlier"
        )
    again = client("submit", path, "--batch-size", 1, "--instance-id", "earlier", "--json")
    assert "attached to earlier" in again.err
    assert again.document["batches"] == 120
    assert len(client("results", "earlier", "--json").document) == 120
    assert sum(name.count(":") for name in history_bytes(stack, "earlier")) == 120
    other = client("submit", path, "--batch-size", 2, "--instance-id", "earlier")
    assert other.code == 2


def test_progress_of_a_tree_rises_from_nothing_to_all(
    new_stack: StackMaker, orders_file: OrdersFile
) -> None:
    with new_stack(PROCESSING_MS="500", WORKER_ACTIVITIES_MAX="16") as slow:
        client = CommandLine(slow.environment)
        instance_id = client(
            "submit", orders_file("rising", 320), "--batch-size", 1, "--no-wait"
        ).out.strip()
        seen = []
        while client("wait", instance_id, "--timeout", "0.5").code == 4:
            document = client("status", instance_id, "--json").document
            if "progress" in document:
                seen.append(document["progress"]["orders_done"])
                assert document["progress"]["batches"] == 320
        assert seen == sorted(seen)
        # Not in the steps of whole parts, of which there are eleven.
        assert any(done % 30 for done in seen)


def test_a_failed_batch_fails_all_above_it_and_is_named(
    new_stack: StackMaker, orders_file: OrdersFile
) -> None:
    with new_stack(PROCESSING_MS="3000", WORKER_ACTIVITIES_MAX="64") as slow:
        client = CommandLine(slow.environment)
        client(
            "submit", orders_file("torn", 101), "--batch-size", 1, "--no-wait", "--instance-id", "t"
        )
        wait_until(lambda: client("status", "t:0004:000b").code == 0)
        assert client("terminate", "t:0004:000b").code == 0
        ran = client("wait", "t", "--json")
        assert ran.code == 1
        assert "1 of 4 parts failed; t:0004: " in ran.document["error"]["message"]
        assert "1 of 11 batches failed; t:0004:000b: " in ran.document["error"]["message"]
        rows = client("results", "t", "--json")
        assert rows.code == 1
        assert [row["status"] for row in rows.document].count("unknown") == 1
        assert rows.document[-1] == {"order_id": "torn-101", "status": "unknown"}


def test_terminate_reaches_every_level_of_a_tree(
    new_stack: StackMaker, orders_file: OrdersFile
) -> None:
    with new_stack(PROCESSING_MS="60000", WORKER_GRACE_SECONDS="0") as slow:
        client = CommandLine(slow.environment)
        client(
            "submit", orders_file("cut", 101), "--batch-size", 1, "--no-wait", "--instance-id", "c"
        )
        wait_until(lambda: client("status", "c:0004:000b").code == 0)
        assert client("terminate", "c").code == 0
        for instance_id in ("c", "c:0001", "c:0004", "c:0004:000b"):
            assert client("wait", instance_id, "--timeout", 20).code == 1


def test_a_plain_wait_prints_progress_lines_that_never_fall(
    new_stack: StackMaker, orders_file: OrdersFile
) -> None:
    with new_stack(PROCESSING_MS="900", WORKER_ACTIVITIES_MAX="16") as slow:
        client = CommandLine(slow.environment)
        ran = client("submit", orders_file("told", 240), "--batch-size", 2)
        assert ran.code == 0, ran.err
        lines = [[int(n.replace(",", "")) for n in found] for found in PROGRESS.findall(ran.err)]
        assert len(lines) > 1
        assert lines == sorted(lines)
        assert {(orders, batches) for _done, orders, _batches_done, batches in lines} == {
            (240, 120)
        }


def test_the_longest_id_has_room_for_the_parts_below(client: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "deep.csv"
    path.write_text(client("generate", ORDERS).out)
    ran = client("submit", path, "--batch-size", 1, "--instance-id", "d" * 80, "--json")
    assert ran.code == 0, ran.err
    assert ran.document["batches"] == ORDERS


def test_a_tree_survives_the_death_of_a_worker_and_of_the_scheduler(
    new_stack: StackMaker, tmp_path: Path
) -> None:
    with new_stack(workers=2, PROCESSING_MS="5") as torn:
        client = CommandLine(torn.environment)
        path = tmp_path / "torn.csv"
        path.write_text(client("generate", ORDERS, "--seed", 12).out)
        instance_id = client("submit", path, "--batch-size", 2, "--no-wait").out.strip()
        wait_until(lambda: done_of(client, instance_id) > 100)
        end(torn.process("worker-1"))
        kill_and_start(torn)
        torn.start_worker(1)
        ran = client("wait", instance_id, "--json")
        assert ran.code == 0, ran.err
        statuses, revenue = expected_books(path.read_text())
        assert ran.document["batches"] == ORDERS // 2
        assert (ran.document["by_status"], ran.document["revenue"]) == (statuses, revenue)
        rows = client("results", instance_id, "--json").document
        assert len({row["order_id"] for row in rows}) == len(rows) == ORDERS


def done_of(client: CommandLine, instance_id: str) -> int:
    document = client("status", instance_id, "--json").document
    done: int = document.get("progress", {"orders_done": ORDERS})["orders_done"]
    return done
