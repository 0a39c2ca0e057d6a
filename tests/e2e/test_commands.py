import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.local_stack import ROOT, LocalStack
from tests.e2e.conftest import CommandLine, StackMaker
from tests.e2e.processes import wait_until
from tests.e2e.schedulers import hub_of

OrdersFile = Callable[..., Path]


@pytest.fixture(scope="module")
def finished(client: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The instance id of a finished submission of 25 orders in batches of 10."""
    path = tmp_path_factory.mktemp("orders") / "finished.csv"
    rows = "\n".join(f"fin-{n},Ada,book,2,{n}.50,EUR" for n in range(1, 26))
    path.write_text(f"order_id,customer,sku,quantity,unit_price,currency\n{rows}\n")
    instance_id: str = client("submit", path, "--json").document["instance_id"]
    return instance_id


def test_results_hold_every_order_in_the_order_of_input(client: CommandLine, finished: str) -> None:
    ran = client("results", finished, "--json")
    assert ran.code == 0
    assert [row["order_id"] for row in ran.document] == [f"fin-{n}" for n in range(1, 26)]
    completed = [row for row in ran.document if row["status"] == "completed"]
    assert completed[0]["amount"] == f"{int(completed[0]['order_id'][4:]) * 2 + 1}.00"


def test_results_are_the_same_in_every_format(
    client: CommandLine, finished: str, tmp_path: Path
) -> None:
    rows = client("results", finished, "--format", "json").document
    as_csv = client("results", finished, "--format", "csv").out
    parsed = [
        {key: value for key, value in row.items() if value}
        for row in csv.DictReader(io.StringIO(as_csv))
    ]
    assert parsed == rows
    table = client("results", finished).out
    assert len(table.splitlines()) == 26
    target = tmp_path / "out.json"
    ran = client("results", finished, "--format", "json", "--output", target)
    assert (ran.code, ran.out) == (0, "")
    assert json.loads(target.read_text()) == rows
    assert list(tmp_path.iterdir()) == [target]


def test_an_output_that_cannot_be_written_is_bad_input(
    client: CommandLine, finished: str, tmp_path: Path
) -> None:
    ran = client("results", finished, "--output", tmp_path / "missing" / "out.csv")
    assert ran.code == 2
    assert "cannot write" in ran.err


def test_results_of_a_running_submission_are_partial_and_say_so(
    new_stack: StackMaker, orders_file: OrdersFile
) -> None:
    with new_stack(PROCESSING_MS="60000", WORKER_GRACE_SECONDS="0") as slow:
        client = CommandLine(slow.environment)
        instance_id = client("submit", orders_file("slow", 3), "--no-wait").out.strip()
        ran = client("results", instance_id, "--json")
        assert ran.code == 4
        assert {row["status"] for row in ran.document} == {"pending"}
        assert "still running" in ran.err
        timed_out = client("wait", instance_id, "--timeout", "0.5")
        assert timed_out.code == 4
        assert f"-m services.client wait {instance_id}" in timed_out.err
        running = client("status", instance_id, "--json")
        assert running.document["progress"]["orders"] == 3
        assert "0 of 3 orders" in client("status", instance_id).out


def test_status_tells_what_a_finished_run_came_to(client: CommandLine, finished: str) -> None:
    ran = client("status", finished, "--json")
    assert ran.code == 0
    assert ran.document["status"] == "COMPLETED"
    assert ran.document["name"] == "main_orchestration"
    assert ran.document["orders"] == 25
    assert f"✔ {finished} COMPLETED" in client("status", finished).out


def test_list_shows_submissions_and_on_request_their_children(
    client: CommandLine, finished: str
) -> None:
    listed = client("list", "--limit", 1000, "--json").document
    mine = [row for row in listed if row["instance_id"].startswith(finished)]
    assert [row["instance_id"] for row in mine] == [finished]
    with_children = client("list", "--limit", 1000, "--children", "--json").document
    mine = [row["instance_id"] for row in with_children if finished in row["instance_id"]]
    assert sorted(mine) == [finished, *(f"{finished}:000{n}" for n in (1, 2, 3))]
    assert finished in client("list", "--limit", 1000).out
    assert client("list", "--status", "failed", "--json").document == []
    assert client("list", "--status", "lost").code == 2


def test_a_suspended_run_waits_until_it_is_resumed(
    new_stack: StackMaker, orders_file: OrdersFile
) -> None:
    with new_stack(PROCESSING_MS="3000", WORKER_ACTIVITIES_MAX="1") as stack:
        client = CommandLine(stack.environment)
        instance_id = client("submit", orders_file("pause", 9), "--no-wait").out.strip()
        refused = client("resume", instance_id)
        assert refused.code == 2
        assert "not suspended" in refused.err
        assert client("suspend", instance_id).code == 0
        assert client("wait", instance_id, "--timeout", "2").code == 4
        assert client("status", instance_id, "--json").document["status"] == "SUSPENDED"
        assert client("resume", instance_id).code == 0
        assert client("wait", instance_id, "--json").document["orders"] == 9


def test_a_finished_run_can_be_purged_and_nothing_else_done_to_it(
    client: CommandLine, orders_file: OrdersFile
) -> None:
    instance_id = client("submit", orders_file("purged"), "--json").document["instance_id"]
    for verb in ("suspend", "resume", "terminate"):
        ran = client(verb, instance_id)
        assert ran.code == 2
        assert f"{instance_id} is COMPLETED: there is nothing to {verb}" in ran.err
    purged = client("purge", instance_id)
    assert purged.code == 0
    assert "purged, 3 in all" in purged.err
    left = client("list", "--children", "--limit", 1000, "--json").document
    assert not [row for row in left if row["instance_id"].startswith(instance_id)]


def test_terminate_reaches_the_children(new_stack: StackMaker, orders_file: OrdersFile) -> None:
    with new_stack(PROCESSING_MS="60000", WORKER_GRACE_SECONDS="0") as slow:
        client = CommandLine(slow.environment)
        client("submit", orders_file("ended", 2), "--no-wait", "--instance-id", "ended")
        wait_until(lambda: client("status", "ended:0001").code == 0)
        assert client("terminate", "ended").code == 0
        for instance_id in ("ended", "ended:0001"):
            assert client("wait", instance_id, "--timeout", 20).code == 1


def test_what_a_terminated_one_has_started_can_still_be_terminated(
    new_stack: StackMaker, orders_file: OrdersFile
) -> None:
    with new_stack(PROCESSING_MS="60000", WORKER_GRACE_SECONDS="0") as slow:
        client = CommandLine(slow.environment)
        client("submit", orders_file("left", 2), "--no-wait", "--instance-id", "left")
        wait_until(lambda: client("status", "left:0001").code == 0)
        with hub_of(slow) as hub:
            hub.client.terminate_orchestration("left", recursive=False)
        assert client("wait", "left", "--timeout", 20).code == 1
        assert client("status", "left:0001", "--json").document["status"] != "TERMINATED"
        assert client("terminate", "left").code == 0
        assert client("wait", "left:0001", "--timeout", 20).code == 1


def test_a_batch_that_takes_longer_than_half_a_minute_ends_like_any_other(
    new_stack: StackMaker, orders_file: OrdersFile
) -> None:
    with new_stack(PROCESSING_MS="31000") as slow:
        ran = CommandLine(slow.environment)("submit", orders_file("long", 2), "--timeout", 60)
        assert ran.code == 0, ran.err


def test_a_running_run_is_not_purged(new_stack: StackMaker, orders_file: OrdersFile) -> None:
    with new_stack(PROCESSING_MS="60000", WORKER_GRACE_SECONDS="0") as slow:
        client = CommandLine(slow.environment)
        instance_id = client("submit", orders_file("kept", 2), "--no-wait").out.strip()
        ran = client("purge", instance_id)
        assert ran.code == 2
        assert "terminate it first" in ran.err


@pytest.mark.parametrize(
    "command", ["status", "wait", "results", "suspend", "resume", "terminate", "purge"]
)
def test_an_unknown_id_is_bad_input(client: CommandLine, command: str) -> None:
    ran = client(command, "no-such-run")
    assert ran.code == 2
    assert ran.err == "task hub default holds no orchestration 'no-such-run'\n"


@pytest.mark.parametrize("command", ["submit", "status", "list"])
def test_without_a_scheduler_one_line_says_where_and_what_to_try(
    client: CommandLine, orders_file: OrdersFile, command: str
) -> None:
    argument = {"submit": [str(orders_file("nowhere"))], "status": ["x"]}
    arguments = argument.get(command, [])
    ran = client(command, *arguments, ENDPOINT="http://localhost:1", CLIENT_CONNECT_SECONDS="1")
    assert ran.code == 3
    last = ran.err.splitlines()[-1]
    assert "http://localhost:1 (task hub default)" in last
    assert "`make dev` or `make up` starts one" in last
    assert ran.out == ""


def test_an_unknown_task_hub_is_told_at_once(client: CommandLine, orders_file: OrdersFile) -> None:
    ran = client("submit", orders_file("hub"), TASKHUB="nowhere")
    assert ran.code == 3
    assert "Task hub not found: nowhere" in ran.err
    assert len(ran.err.splitlines()) == 1


def test_without_a_sign_in_azure_is_refused_with_what_to_do(client: CommandLine) -> None:
    # One kind of credential, and no `az` to ask: nothing leaves this machine.
    ran = client(
        "list",
        ENDPOINT="https://orders.westus2.durabletask.io",
        AZURE_TOKEN_CREDENTIALS="AzureCliCredential",  # noqa: S106 - the name of a kind, no secret
        PATH="/nonexistent",
    )
    assert ran.code == 3
    assert len(ran.err.splitlines()) == 1
    assert "cannot sign in to the scheduler at https://orders.westus2.durabletask.io" in ran.err
    assert "`az login`" in ran.err


def test_a_name_that_azure_does_not_give_is_told_how_to_be_a_scheduler_of_ones_own(
    client: CommandLine,
) -> None:
    ran = client(
        "list",
        ENDPOINT="https://tasks.example.com",
        AZURE_TOKEN_CREDENTIALS="AzureCliCredential",  # noqa: S106 - the name of a kind, no secret
        PATH="/nonexistent",
    )
    assert ran.code == 3
    assert "az login" not in ran.err
    assert "ENDPOINT_TOKEN or ENDPOINT_TOKEN_FILE" in ran.err


def test_bad_settings_are_bad_usage(client: CommandLine) -> None:
    ran = client("list", ENDPOINT="localhost:8080", CLIENT_CALL_SECONDS="soon")
    assert ran.code == 2
    assert "ENDPOINT='localhost:8080': http://HOST:PORT for" in ran.err
    assert "CLIENT_CALL_SECONDS='soon': a whole number from 1 to 600" in ran.err


@pytest.mark.parametrize("arguments", [["--help"], ["submit", "--help"]])
def test_help_loads_neither_grpc_nor_the_sdk(arguments: list[str]) -> None:
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "services.client", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rsplit("|", 1)[-1].strip() for line in ran.stderr.splitlines() if "|" in line}
    assert "typer" in imported
    assert not {name for name in imported if name.split(".")[0] in {"grpc", "durabletask", "azure"}}


def test_a_reader_that_goes_away_ends_generate_quietly(client: CommandLine) -> None:
    generate = subprocess.Popen(
        client.command("generate", 200_000),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert generate.stdout is not None
    assert generate.stdout.readline() == "order_id,customer,sku,quantity,unit_price,currency\n"
    generate.stdout.close()
    assert generate.stderr is not None
    assert generate.stderr.read() == ""
    assert generate.wait(30) == 141
    generate.stderr.close()


@pytest.mark.parametrize(
    "arguments",
    [
        ["results"],
        ["results", "--format", "csv"],
        ["results", "--json"],
        ["status"],
        ["status", "--json"],
        ["wait"],
    ],
    ids=" ".join,
)
def test_a_reader_that_is_gone_ends_every_command_quietly(
    client: CommandLine, finished: str, arguments: list[str]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command, *options = arguments
    ran = subprocess.run(
        client.command(command, finished, *options),
        cwd=ROOT,
        env=client.environment,
        stdout=writer,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(writer)
    assert (ran.returncode, ran.stderr) == (141, b"")


def test_the_shared_stack_still_runs(stack: LocalStack) -> None:
    assert stack.process("scheduler").poll() is None
