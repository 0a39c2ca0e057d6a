"""What a person never sees: a traceback, whatever is in the task hub and wherever output goes."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.internal import orchestrator_service_pb2_grpc as service
from google.protobuf import wrappers_pb2

from scripts.local_stack import ROOT, LocalStack
from tests.e2e.conftest import CommandLine, StackMaker

OrdersFile = Callable[..., Path]
ORDER = {"order_id": "A", "customer": "c", "sku": "s", "quantity": 1, "unit_price": "1.00"}
FOREIGN = {
    "none": None,
    "no-json": "{nope",
    "text": '"x"',
    "list": "[]",
    "number": "1e999",
    "deep": "[" * 20_000 + "]" * 20_000,
    "no-orders": "{}",
    "orders-text": json.dumps({"orders": "abc", "batch_size": 1}),
    "orders-numbers": json.dumps({"orders": [1, 2], "batch_size": 1}),
    "batch-size-zero": json.dumps({"orders": [ORDER], "batch_size": 0}),
    "batch-size-true": json.dumps({"orders": [ORDER], "batch_size": True}),
    "no-fields": json.dumps({"orders": [{}], "batch_size": 1}),
    "surrogate": '{"orders":[{"order_id":"\\ud800"}],"batch_size":1}',
}


@pytest.fixture(scope="module")
def foreign(new_stack: StackMaker) -> Iterator[CommandLine]:
    """A task hub of orchestrations that nobody's client of ours submitted."""
    with new_stack(workers=1) as stack:
        with grpc.insecure_channel(f"127.0.0.1:{stack.grpc_port}") as channel:
            hub = service.TaskHubSidecarServiceStub(channel)  # type: ignore[no-untyped-call]  # generated code
            for instance_id, text in FOREIGN.items():
                start(hub, "main_orchestration", instance_id, text)
            start(hub, "esc\x1b[31mred", "[/b] red", None)
        yield CommandLine(stack.environment)


def start(hub: Any, name: str, instance_id: str, text: str | None) -> None:
    payload = None if text is None else wrappers_pb2.StringValue(value=text)
    request = pb.CreateInstanceRequest(instanceId=instance_id, name=name, input=payload)
    hub.StartInstance(request, metadata=[("taskhub", "default")], timeout=10)


@pytest.mark.parametrize("instance_id", FOREIGN)
def test_an_orchestration_with_any_input_ends_and_can_be_looked_at(
    foreign: CommandLine, instance_id: str
) -> None:
    waited = foreign("wait", instance_id, "--timeout", 60, "--json")
    assert waited.code == (0 if instance_id == "no-fields" else 1)
    assert waited.document["instance_id"] == instance_id
    assert foreign("status", instance_id).code == 0
    results = {"no-fields": 0, "surrogate": 1}.get(instance_id, 2)
    for style in ("json", "csv", "table"):
        assert foreign("results", instance_id, "--format", style).code == results


def test_what_others_wrote_never_commands_the_terminal(foreign: CommandLine) -> None:
    for arguments in (["list"], ["status", "[/b] red"]):
        ran = foreign(*arguments)
        assert ran.code == 0
        assert "[/b] red" in ran.out
        assert "esc\\x1b[31mred" in ran.out
        assert "\x1b" not in ran.out


def test_an_argument_that_is_no_text_is_no_id(foreign: CommandLine) -> None:
    assert foreign("status", os.fsdecode(b"\xff")).code == 2


def test_an_id_that_looks_like_markup_or_a_child_is_an_id(
    client: CommandLine, orders_file: OrdersFile
) -> None:
    for instance_id in ("[/b] run", "nightly:2026"):
        ran = client("submit", orders_file(f"id{len(instance_id)}"), "--instance-id", instance_id)
        assert ran.code == 0, ran.err
        assert f"✔ {instance_id} COMPLETED" in ran.out
        assert instance_id in client("list").out


def test_an_encoding_without_our_signs_gets_them_escaped(
    client: CommandLine, orders_file: OrdersFile
) -> None:
    ran = client("submit", orders_file("latin"), PYTHONIOENCODING="ascii")
    assert ran.code == 0
    assert "\\u2714 orders-" in ran.out


@pytest.mark.parametrize("command", ["generate", "list"])
def test_a_full_disk_is_told(client: CommandLine, command: str) -> None:
    arguments = {"generate": ["10"], "list": ["--json"]}[command]
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            client.command(command, *arguments),
            cwd=ROOT,
            env=client.environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ran.returncode == 1
    assert ran.stderr == "cannot write the output: No space left on device\n"


def test_a_closed_output_is_no_error(client: CommandLine) -> None:
    ran = subprocess.run(
        ["bash", "-c", f"{' '.join(client.command('list'))} >&-"],  # noqa: S607 - bash is found on PATH
        cwd=ROOT,
        env=client.environment,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert ran.returncode == 0
    assert "Traceback" not in ran.stderr


def test_an_output_goes_where_it_is_told_and_replaces_only_files(
    client: CommandLine, orders_file: OrdersFile, tmp_path: Path
) -> None:
    instance_id = client("submit", orders_file("output", 3), "--json").document["instance_id"]
    target, link = tmp_path / "target.csv", tmp_path / "link.csv"
    target.write_text("old")
    link.symlink_to(target)
    assert client("results", instance_id, "--format", "csv", "--output", link).code == 0
    assert link.is_symlink()
    assert target.read_text().startswith("order_id,")
    assert client("results", instance_id, "--output", "/dev/null").code == 0
    assert Path("/dev/null").is_char_device()
    for folder in (".", "", tmp_path):
        assert client("results", instance_id, "--output", folder).code == 2
    assert sorted(tmp_path.glob("*.csv")) == [link, tmp_path / "output.csv", target]
    assert not list(tmp_path.glob(".*"))


def test_a_pipe_is_no_order_file(client: CommandLine, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    ran = client("submit", pipe)
    assert ran.code == 2
    assert ran.err == f"{pipe}: this is no regular file\n"


def test_a_scheduler_that_refuses_everything_is_waited_for_by_workers(stack: LocalStack) -> None:
    ran = subprocess.run(
        ["timeout", "--signal=TERM", "4", *CommandLine.command()[:2], "services.worker"],  # noqa: S607 - timeout is found on PATH
        cwd=ROOT,
        env=stack.environment | {"TASKHUB": "crosslink"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "waiting: " in ran.stderr
    assert "Task hub not found: crosslink" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("module", ["services.worker", "services.client"])
def test_a_sign_in_that_contradicts_itself_is_told(stack: LocalStack, module: str) -> None:
    ran = subprocess.run(
        [*CommandLine.command()[:2], module, *(["list"] if module.endswith("client") else [])],
        cwd=ROOT,
        env=stack.environment
        | {
            "ENDPOINT": "https://orders.durabletask.io",
            "AZURE_TOKEN_CREDENTIALS": "nonsense",
            # Nothing is to be sent; whatever were would get no farther than this.
            "https_proxy": "http://127.0.0.1:1",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == (3 if module.endswith("client") else 2)
    assert "cannot sign in to the scheduler at https://orders.durabletask.io" in ran.stderr
    assert "Traceback" not in ran.stderr
