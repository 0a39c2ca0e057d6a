import csv
import io
import re
import subprocess
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from durabletask.task import ActivityContext

from scripts.local_stack import ROOT
from services.shared.orders import Order
from services.worker.activities import OrderProcessor
from services.worker.settings import ProcessingSettings
from tests.e2e.conftest import CommandLine, StackMaker

OrdersFile = Callable[..., Path]
SAMPLE = ROOT / "orders" / "sample.csv"


def expected_books(csv_text: str) -> tuple[dict[str, int], dict[str, str]]:
    """Counts by status and revenue by currency, order by order and without the stack."""
    processor = OrderProcessor(
        ProcessingSettings(processing_ms=0, failure_rate=0.1, transient_failure_rate=0)
    )
    statuses: Counter[str] = Counter(completed=0, failed=0)
    revenue: dict[str, Decimal] = {}
    for row in csv.DictReader(io.StringIO(csv_text)):
        order = Order.model_validate(row | {"quantity": int(row["quantity"])})
        outcome = processor.process_order(ActivityContext("x", 1), order)
        statuses[outcome["status"]] += 1
        if outcome["status"] == "completed":
            amount = int(row["quantity"]) * Decimal(row["unit_price"])
            revenue[row["currency"]] = revenue.get(row["currency"], Decimal(0)) + amount
    return dict(statuses), {name: f"{total:.2f}" for name, total in revenue.items()}


def test_the_sample_comes_to_exactly_what_its_orders_add_up_to(client: CommandLine) -> None:
    ran = client("submit", SAMPLE, "--json")
    assert ran.code == 0, ran.err
    statuses, revenue = expected_books(SAMPLE.read_text())
    summary = ran.document
    assert summary["orders"] == 100
    assert summary["batches"] == 10
    assert summary["by_status"] == statuses
    assert summary["revenue"] == revenue
    assert summary["failures_total"] == statuses["failed"] == len(summary["failures"])
    assert summary["status"] == "COMPLETED"
    assert summary["elapsed_seconds"] > 0
    assert re.fullmatch(r"orders-[0-9a-f]{20}", summary["instance_id"])


def test_a_thousand_generated_orders_come_to_exact_revenue(
    client: CommandLine, tmp_path: Path
) -> None:
    generated = client("generate", 1_000, "--seed", 7)
    path = tmp_path / "thousand.csv"
    path.write_text(generated.out)
    ran = client("submit", path, "--batch-size", 50, "--json")
    assert ran.code == 0, ran.err
    statuses, revenue = expected_books(generated.out)
    assert ran.document["by_status"] == statuses
    assert ran.document["revenue"] == revenue
    assert ran.document["batches"] == 20


@pytest.mark.parametrize("extension", ["json", "jsonl"])
def test_the_other_formats_go_the_same_way(client: CommandLine, extension: str) -> None:
    ran = client("submit", ROOT / "orders" / f"sample.{extension}", "--json")
    assert ran.code == 0, ran.err
    assert ran.document["orders"] == 10


def test_a_person_sees_a_summary_and_no_noise(client: CommandLine, orders_file: OrdersFile) -> None:
    ran = client("submit", orders_file("noise"))
    assert ran.code == 0
    assert re.search(r"✔ orders-[0-9a-f]{20} COMPLETED in [0-9.]+ s", ran.out)
    assert re.search(r"orders +20 +in 2 batches", ran.out)
    assert re.search(r"revenue +[0-9,]+\.[0-9]{2} +EUR", ran.out)
    noise = [line for line in ran.err.splitlines() if not re.match(r"orders-\w+: \d", line)]
    assert noise == []


def test_the_same_orders_again_attach_to_the_first_run(
    client: CommandLine, orders_file: OrdersFile
) -> None:
    first = client("submit", orders_file("again"), "--json")
    second = client("submit", orders_file("again"), "--json")
    assert second.code == 0
    assert second.document == first.document
    assert "these orders were submitted before" in second.err
    assert f"attached to {first.document['instance_id']}" in second.err


def test_another_batch_size_is_another_submission(
    client: CommandLine, orders_file: OrdersFile
) -> None:
    ids = {
        client("submit", orders_file("sizes"), "--batch-size", size, "--json").document[
            "instance_id"
        ]
        for size in (5, 10)
    }
    assert len(ids) == 2


def test_new_starts_another_run_of_the_same_orders(
    client: CommandLine, orders_file: OrdersFile
) -> None:
    first = client("submit", orders_file("new"), "--json").document
    second = client("submit", orders_file("new"), "--new", "--json").document
    assert second["instance_id"] != first["instance_id"]
    assert second["revenue"] == first["revenue"]


def test_submissions_that_race_become_one_run(client: CommandLine, orders_file: OrdersFile) -> None:
    path = orders_file("race")
    racers = [
        subprocess.Popen(
            client.command("submit", path, "--json"),
            cwd=ROOT,
            env=client.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(4)
    ]
    outputs = {racer.communicate(timeout=60)[0] for racer in racers}
    assert [racer.returncode for racer in racers] == [0, 0, 0, 0]
    assert len(outputs) == 1


def test_a_chosen_id_is_used_and_belongs_to_its_orders(
    client: CommandLine, orders_file: OrdersFile
) -> None:
    chosen = "Friday's run #1"
    first = client("submit", orders_file("chosen"), "--instance-id", chosen, "--json")
    assert first.document["instance_id"] == chosen
    again = client("submit", orders_file("chosen"), "--instance-id", chosen, "--json")
    assert again.document == first.document
    other = client("submit", orders_file("others"), "--instance-id", chosen)
    assert other.code == 2
    assert "exists with other orders" in other.err


@pytest.mark.parametrize("instance_id", ["", "@entity", "x" * 81, "ä", "a\nb"])
def test_an_id_that_cannot_be_used_is_bad_input(
    client: CommandLine, orders_file: OrdersFile, instance_id: str
) -> None:
    ran = client("submit", orders_file("ids"), "--instance-id", instance_id)
    assert ran.code == 2
    assert "--instance-id must be 1 to 80 printable ASCII characters" in ran.err


def test_without_waiting_the_id_is_printed(client: CommandLine, orders_file: OrdersFile) -> None:
    ran = client("submit", orders_file("nowait"), "--no-wait")
    assert ran.code == 0
    assert client("wait", ran.out.strip()).code == 0


def test_strict_makes_a_failed_order_a_failure(
    client: CommandLine, orders_file: OrdersFile
) -> None:
    ran = client("submit", orders_file("strict", 60), "--strict", "--json")
    assert ran.document["failures_total"] > 0
    assert ran.document["status"] == "COMPLETED"
    assert ran.code == 1


@pytest.mark.parametrize("timeout", ["nan", "inf", "0", "soon"])
def test_a_timeout_that_never_comes_is_bad_usage(
    client: CommandLine, orders_file: OrdersFile, timeout: str
) -> None:
    assert client("submit", orders_file("never"), "--timeout", timeout).code == 2


def test_bad_rows_are_told_and_nothing_is_submitted(client: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    header = "order_id,customer,sku,quantity,unit_price,currency\n"
    path.write_text(f"{header}bad-1,Ada,book,many,1.00,EUR\nbad-2,Ada,book,1,1.00,EUR\n")
    before = client("list", "--json").document
    ran = client("submit", path)
    assert ran.code == 2
    assert "line 2: quantity must be a whole number from 1 to 1,000,000 (got 'many')" in ran.err
    assert "nothing was submitted" in ran.err
    assert client("list", "--json").document == before
    skipping = client("submit", path, "--skip-invalid", "--json")
    assert skipping.code == 0
    assert skipping.document["orders"] == 1
    assert "left out 1 bad row" in skipping.err


def test_a_file_that_cannot_be_read_is_bad_input(client: CommandLine, tmp_path: Path) -> None:
    ran = client("submit", tmp_path / "missing.csv")
    assert ran.code == 2
    assert "missing.csv" in ran.err


@pytest.mark.parametrize("size", ["0", "1001", "-1", "ten"])
def test_a_batch_size_out_of_range_is_bad_usage(
    client: CommandLine, orders_file: OrdersFile, size: str
) -> None:
    assert client("submit", orders_file("sizes"), "--batch-size", size).code == 2


def test_a_submission_that_cannot_fit_is_refused_before_anything_is_sent(
    client: CommandLine, tmp_path: Path
) -> None:
    path = tmp_path / "large.csv"
    path.write_text(client("generate", 24_000).out)
    size = r"the submission is 3,[0-9]{3},[0-9]{3} bytes and the limit for one payload is"
    nowhere = {"ENDPOINT": "http://localhost:1"}
    ran = client("submit", path, **nowhere, PAYLOAD_STORE="none")
    assert ran.code == 2
    assert re.search(rf"{size} 1,048,576 bytes; PAYLOAD_STORE .* into 4 or more", ran.err)
    ran = client("submit", path, **nowhere, PAYLOAD_STORE_BYTES_MAX="2000000")
    assert ran.code == 2
    assert re.search(rf"{size} 2,000,000 bytes; PAYLOAD_STORE_BYTES_MAX .* into 2 or", ran.err)


def test_a_submission_that_cannot_be_stored_is_told_with_the_setting(
    client: CommandLine, orders_file: OrdersFile, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("")
    ran = client("submit", orders_file("stored", 500), PAYLOAD_STORE=str(tmp_path / "taken"))
    assert ran.code == 2
    assert f"the payload store {tmp_path / 'taken'} cannot be used: " in ran.err
    assert "PAYLOAD_STORE says where it is" in ran.err


def test_an_earlier_run_that_was_terminated_is_shown_with_a_hint(
    new_stack: StackMaker, orders_file: OrdersFile
) -> None:
    with new_stack(workers=1, PROCESSING_MS="60000", WORKER_GRACE_SECONDS="0") as slow:
        client = CommandLine(slow.environment)
        path = orders_file("terminated", 3)
        instance_id = client("submit", path, "--no-wait").out.strip()
        assert client("terminate", instance_id).code == 0
        for options in ([], ["--no-wait"]):
            ran = client("submit", path, *options)
            assert ran.code == 1
            assert f"✘ {instance_id} TERMINATED" in ran.out
        assert "--new starts another" in ran.err


def test_an_order_whose_retries_run_out_is_given_up_with_the_errors_message(
    new_stack: StackMaker, orders_file: OrdersFile
) -> None:
    with new_stack(TRANSIENT_FAILURE_RATE="1") as faulty:
        ran = CommandLine(faulty.environment)("submit", orders_file("hopeless", 5), "--json")
    assert ran.code == 0, ran.err
    assert ran.document["by_status"] == {"completed": 0, "failed": 0, "gave_up": 5}
    assert ran.document["revenue"] == {}
    reasons = {failure["reason"] for failure in ran.document["failures"]}
    assert reasons <= {
        f"{stage} did not answer, try again" for stage in ("inventory", "payment", "shipping")
    }
