import csv
import json
import re
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.compose.compose_stack import (
    ComposeStack,
    docker,
    environment_with,
    inspect,
    run,
)
from tests.compose.conftest import SAID_TO_UP

HEADER = "order_id,customer,sku,quantity,unit_price,currency\n"


def write_orders(path: Path, count: int) -> Path:
    rows = (f"{path.stem}-{n},Ada,book,{n % 5 + 1},{n}.25,EUR\n" for n in range(count))
    path.write_text(HEADER + "".join(rows))
    return path


def client(stack: ComposeStack, *arguments: str) -> Any:
    command = ("run", "--rm", "--no-TTY", "client", *arguments, "--json")
    return json.loads(stack.compose(*command, TASKHUB=SAID_TO_UP["TASKHUB"]))


def containers_of(stack: ComposeStack) -> list[str]:
    services = ("scheduler", "worker", "dashboard")
    return [container for service in services for container in stack.containers(service)]


def environment_of(container: str) -> set[str]:
    return set(inspect("container", container)["Config"]["Env"])


def revenue_of(path: Path, failed: set[str]) -> dict[str, str]:
    revenue: Counter[str] = Counter()
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["order_id"] not in failed:
                cents = Decimal(row["unit_price"]) * int(row["quantity"]) * 100
                revenue[row["currency"]] += int(cents)
    return {currency: f"{Decimal(cents) / 100:.2f}" for currency, cents in revenue.items()}


def test_up_ends_when_every_part_is_healthy(stack: ComposeStack) -> None:
    containers = containers_of(stack)
    assert len(containers) == 4
    assert {inspect("container", one)["State"]["Health"]["Status"] for one in containers} == {
        "healthy"
    }


def test_what_runs_is_locked_down(stack: ComposeStack) -> None:
    for container in containers_of(stack):
        host = inspect("container", container)["HostConfig"]
        assert host["ReadonlyRootfs"] is True
        assert host["CapDrop"] == ["ALL"]
        assert host["Init"] is True
        assert host["Memory"] > 0
        assert host["NanoCpus"] > 0
        assert host["PidsLimit"] == 512
        assert "no-new-privileges:true" in host["SecurityOpt"]


# What Prometheus does: each address of a name is a target.
SCRAPE = """
import socket, sys, urllib.request
name, port = sys.argv[1:]
for found in sorted({one[4][0] for one in socket.getaddrinfo(name, int(port), socket.AF_INET)}):
    with urllib.request.urlopen(f"http://{found}:{port}/metrics", timeout=10) as answer:
        print(found, answer.read().decode().count("\\n# TYPE "))
"""


@pytest.mark.parametrize(
    ("name", "port", "count"), [("worker", "9464", 2), ("scheduler", "8081", 1)]
)
def test_metrics_are_served_to_containers_and_a_name_leads_to_every_one(
    stack: ComposeStack, name: str, port: str, count: int
) -> None:
    asking = stack.containers("dashboard")[0]
    told = docker("exec", asking, "python", "-c", SCRAPE, name, port).splitlines()
    assert len(told) == count
    assert all(int(line.split()[1]) > 5 for line in told)


def test_our_scheduler_can_write_to_its_volume_and_to_nothing_else(stack: ComposeStack) -> None:
    [scheduler] = stack.containers("scheduler")
    attempt = "for f in /data/x /tmp/x /app/x /venv/x /x; do touch $f 2>/dev/null && echo $f; done"
    assert docker("exec", scheduler, "sh", "-c", f"{attempt}; rm /data/x").split() == [
        "/data/x",
        "/tmp/x",  # noqa: S108 - the container's own
    ]


def test_the_sample_is_submitted_and_its_summary_adds_up(stack: ComposeStack) -> None:
    sample = stack.root / "orders" / "sample.csv"
    total = len(sample.read_text().splitlines()) - 1
    summary = stack.submit(BATCH_SIZE="7")
    failed = {failure["order_id"] for failure in summary["failures"]}
    assert summary["status"] == "COMPLETED"
    assert summary["orders"] == total
    assert summary["batches"] == -(-total // 7)
    assert sum(summary["by_status"].values()) == total
    assert summary["by_status"]["failed"] == summary["failures_total"] == len(failed)
    assert summary["revenue"] == revenue_of(sample, failed)


def test_the_dashboard_lists_the_run_through_the_port_that_up_tells(
    stack: ComposeStack, tmp_path: Path
) -> None:
    orders = write_orders(tmp_path / "listed.csv", 3)
    instance_id = stack.submit(ORDERS=str(orders))["instance_id"]
    up = stack.script("up", EMBEDDED="1", **SAID_TO_UP)
    told = re.search(r"^  dashboard +(http://localhost:\d+)$", up.out, flags=re.MULTILINE)
    assert told is not None, up.out
    with urlopen(f"{told[1]}/", timeout=10) as response:  # noqa: S310 - ours, on this machine
        assert response.status == 200
        assert response.url.endswith("/hubs/orders/orchestrations")
        page = response.read().decode()
    assert instance_id in page
    assert "main_orchestration" in page


def test_a_file_from_anywhere_is_submitted_as_the_person_who_may_read_it(
    stack: ComposeStack, tmp_path: Path
) -> None:
    folder = tmp_path / "my orders"
    folder.mkdir(mode=0o700)
    write_orders(folder / "for me.csv", 3).chmod(0o600)
    environment = environment_with(ORDERS="for me.csv", ARGS="--json")
    ran = run(*stack.command("submit"), cwd=folder, environment=environment)
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["orders"] == 3


def test_an_order_file_in_orders_is_there_for_plain_compose_too(stack: ComposeStack) -> None:
    assert client(stack, "submit", "/orders/sample.json")["status"] == "COMPLETED"


def test_the_exit_code_is_the_clients(stack: ComposeStack, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text(HEADER + "1,Ada,book,none,1.25,EUR\n")
    ran = stack.script("submit", ORDERS=str(bad))
    assert ran.code == 2
    assert "quantity must be" in ran.err


@pytest.mark.parametrize("orders", ["nowhere.csv", "orders"])
def test_what_is_no_file_is_refused(stack: ComposeStack, orders: str) -> None:
    ran = stack.script("submit", ORDERS=orders)
    assert ran.code == 2
    assert ran.err == f"ORDERS={orders}: there is no such file, or it is not readable.\n"


@pytest.mark.parametrize("number", ["", "-1", "51", "2.5", "two", "99999999999999999999"])
def test_a_number_of_workers_that_makes_no_sense_is_refused(
    stack: ComposeStack, number: str
) -> None:
    ran = stack.script("scale", N=number)
    assert ran.code == 2
    assert ran.err.startswith("N must be a whole number of workers from 0 to 50")
    assert len(stack.containers("worker")) == 2


def test_scaling_in_the_middle_of_a_run_adds_workers_like_the_others(
    stack: ComposeStack, tmp_path: Path
) -> None:
    before = set(stack.containers("worker"))
    orders = write_orders(tmp_path / "many.csv", 1_500)
    submitted = stack.submit(ORDERS=str(orders), BATCH_SIZE="100", ARGS="--no-wait")
    instance_id = submitted["instance_id"]

    scaled = stack.script("scale", N="3")

    assert client(stack, "status", instance_id)["status"] == "RUNNING"
    assert scaled.code == 0, scaled.err
    assert scaled.out == "Workers connected: 3.\n"
    after = set(stack.containers("worker"))
    assert before < after
    [new] = after - before
    assert environment_of(new) == environment_of(before.pop())
    assert {f"{name}={value}" for name, value in SAID_TO_UP.items()} <= environment_of(new)
    assert client(stack, "wait", instance_id)["orders"] == 1_500


def test_plain_compose_scales_our_stack_without_naming_its_files(stack: ComposeStack) -> None:
    assert stack.script("scale", N="2").code == 0
    scheduler = stack.containers("scheduler")
    ran = run(*["docker", "compose", "scale", "worker=3"], cwd=stack.root)
    assert ran.code == 0, ran.err
    assert "orphan" not in ran.err
    assert len(stack.containers("worker")) == 3
    assert stack.containers("scheduler") == scheduler
    # Those that plain compose started were told what `.env` says, not what was said to `up`.
    assert stack.script("up", EMBEDDED="1", **SAID_TO_UP).code == 0
    assert len(stack.containers("worker")) == 2


def test_a_plain_client_takes_no_part_of_the_stack_for_an_orphan(stack: ComposeStack) -> None:
    settings = environment_with(TASKHUB=SAID_TO_UP["TASKHUB"])
    command = "docker compose run --rm client list --json"
    ran = run(*command.split(), cwd=stack.root, environment=settings)
    assert ran.code == 0, ran.err
    assert isinstance(json.loads(ran.out), list)
    assert "orphan" not in ran.err


def test_an_idle_worker_stops_quickly_and_cleanly(stack: ComposeStack) -> None:
    worker = stack.containers("worker")[0]
    started = time.monotonic()
    docker("stop", worker)
    seconds = time.monotonic() - started
    state = inspect("container", worker)["State"]
    docker("start", worker)
    stack.wait_until_healthy(worker)
    assert state["ExitCode"] == 0
    assert seconds < 5


def test_orders_beyond_one_payload_of_the_service_go_over_the_volume_that_all_share(
    stack: ComposeStack, tmp_path: Path
) -> None:
    orders = write_orders(tmp_path / "many.csv", 11_000)
    summary = stack.submit(ORDERS=str(orders), BATCH_SIZE="1000")
    assert summary["orders"] == 11_000
    for service in ("worker", "scheduler"):
        listed = docker("exec", stack.containers(service)[0], "ls", "/payloads")
        assert re.search(r"^[0-9a-f]{2}$", listed, flags=re.MULTILINE)


def test_a_worker_that_crashes_is_started_again(stack: ComposeStack) -> None:
    worker = stack.containers("worker")[0]
    # Within the container: the engine restarts nothing that it was asked to kill itself.
    crash = "import json, os; os.kill(json.load(open('/tmp/worker.json'))['pid'], 9)"
    # It ends with its container, and whether it is told so before that is a matter of luck.
    run("docker", "exec", worker, "python", "-c", crash)
    deadline = time.monotonic() + 30
    while inspect("container", worker)["RestartCount"] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    stack.wait_until_healthy(worker)


def test_workers_find_a_scheduler_again_that_was_restarted(
    stack: ComposeStack, tmp_path: Path
) -> None:
    docker("restart", *stack.containers("scheduler"))
    orders = write_orders(tmp_path / "after.csv", 5)
    assert stack.submit(ORDERS=str(orders))["orders"] == 5


def test_ps_and_logs_show_every_part(stack: ComposeStack) -> None:
    for command in ("ps", "logs"):
        ran = stack.script(command)
        assert ran.code == 0
        assert "scheduler-1" in ran.out
        assert re.search(r"worker-[1-9]", ran.out)
    only = stack.script("logs", ARGS="--no-log-prefix scheduler").out
    assert "services.scheduler" in only
    assert "services.worker" not in only
