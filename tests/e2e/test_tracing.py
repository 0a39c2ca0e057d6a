"""One submission is one trace: from the client through every batch to every order."""

import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from scripts.local_stack import ROOT, free_port
from tests.e2e.conftest import CommandLine, StackMaker
from tests.e2e.otlp_receiver import Received, Span, over_grpc, over_http
from tests.e2e.processes import end, wait_for_line

OrdersFile = Callable[..., Path]
Receiver = Callable[[], AbstractContextManager[Received]]
INSTANCE = "durabletask.task.instance_id"
MAIN, BATCH, ORDER = (
    "orchestration:main_orchestration",
    "orchestration:process_order_batch",
    ("activity:process_order"),
)


def kinds_above(span: Span, spans: dict[str, Span]) -> list[str]:
    """The names of a span and of all that stand above it."""
    names = [span.name]
    while span.parent:
        span = spans[span.parent]
        names.append(span.name)
    return names


@pytest.mark.parametrize("receiver", [over_http, over_grpc], ids=["http", "grpc"])
def test_a_submission_is_one_trace_with_every_batch_and_every_order_in_its_place(
    receiver: Receiver, new_stack: StackMaker, orders_file: OrdersFile
) -> None:
    with receiver() as received:
        with new_stack(workers=2, **received.variables) as stack:
            client = CommandLine(stack.environment)
            ran = client("submit", orders_file("traced", 30), "--instance-id", "t", "--json")
            assert ran.code == 0, ran.err
            assert ran.err.count("spans for") == 0
        # The workers have drained: everything has arrived.
        spans = received.spans
    by_id = {span.id: span for span in spans}
    assert {span.trace for span in spans} == {spans[0].trace}
    assert all(span.parent in by_id for span in spans if span.parent)
    [root] = [span for span in spans if not span.parent]
    assert (root.name, root.service) == ("submit", "durable-task-client")
    way_up = {tuple(kinds_above(span, by_id)) for span in spans if span.service.endswith("worker")}
    to_main = (MAIN, "create_orchestration:main_orchestration", "submit")
    # The SDK has a span for who calls, and one for who is called.
    assert way_up == {
        to_main,
        (BATCH, *to_main),
        (BATCH, BATCH, *to_main),
        (ORDER, BATCH, BATCH, *to_main),
        (ORDER, ORDER, BATCH, BATCH, *to_main),
    }
    ended = Counter(span.name for span in spans if len(kinds_above(span, by_id)) in {3, 5, 7})
    assert ended == {MAIN: 1, BATCH: 3, ORDER: 30}


def test_a_tree_with_slices_is_one_trace_too(
    new_stack: StackMaker, orders_file: OrdersFile
) -> None:
    with over_http() as received:
        with new_stack(workers=1, **received.variables) as stack:
            client = CommandLine(stack.environment)
            # More than a hundred batches are given to main orchestrations below the first.
            tree = client(
                "submit", orders_file("tree", 101), "--batch-size", 1, "--instance-id", "tree"
            )
            assert tree.code == 0, tree.err
            # More orders than a batch's history should hold are given to slices of it.
            slices = client(
                "submit", orders_file("slices", 400), "--batch-size", 400, "--instance-id", "cut"
            )
            assert slices.code == 0, slices.err
        spans = received.spans
    assert len({span.trace for span in spans}) == 2
    by_id = {span.id: span for span in spans}
    assert sum(not span.parent for span in spans) == 2
    for instance, orders, levels in (("tree", 101, (MAIN, BATCH)), ("cut", 400, (BATCH,))):
        ended = {
            (span.attributes[INSTANCE], span.attributes.get("durabletask.task.task_id"), span.id)
            for span in spans
            if span.name == ORDER
            and span.attributes[INSTANCE].startswith(instance)
            and by_id[span.parent].name == ORDER
        }
        assert len(ended) == orders
        nested = [
            span
            for span in spans
            if span.attributes.get(INSTANCE, "").startswith(f"{instance}:")
            and kinds_above(span, by_id).count(levels[0]) > 2
        ]
        assert nested, levels


def test_every_try_of_an_order_is_a_span_of_its_own_and_so_is_each_pause(
    new_stack: StackMaker, orders_file: OrdersFile
) -> None:
    with over_http() as received:
        flaky = received.variables | {"TRANSIENT_FAILURE_RATE": "0.5"}
        with new_stack(workers=1, **flaky) as stack:
            ran = CommandLine(stack.environment)("submit", orders_file("tried", 20))
            assert ran.code == 0, ran.err
        spans = received.spans
    by_id = {span.id: span for span in spans}
    assert len(by_id) == len(spans)
    assert len({span.trace for span in spans}) == 1
    assert all(span.parent in by_id for span in spans if span.parent)
    tries = [span for span in spans if span.name == ORDER and by_id[span.parent].name == ORDER]
    pauses = [span for span in spans if span.name == f"{BATCH}:timer"]
    assert len(tries) == 20 + len(pauses) > 20


def test_each_span_says_who_made_it_and_what_a_person_adds(
    new_stack: StackMaker, orders_file: OrdersFile
) -> None:
    added = {"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test"}
    with over_http() as received:
        with new_stack(workers=2, **received.variables, **added) as stack:
            CommandLine(stack.environment)("submit", orders_file("named", 40))
        resources = {tuple(sorted(span.resource.items())) for span in received.spans}
    told = [dict(resource) for resource in resources]
    # One worker may have done all of it before the other was there.
    assert {one["service.name"] for one in told} == {"durable-task-client", "durable-task-worker"}
    assert len({one["service.instance.id"] for one in told}) == len(told)
    assert {one["durabletask.taskhub"] for one in told} == {"default"}
    assert {one["deployment.environment.name"] for one in told} == {"test"}
    assert {one["service.namespace"] for one in told} == {"durable-task-home"}


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_collector_that_is_not_there_costs_one_line_in_each_process_and_nothing_else(
    protocol: str, new_stack: StackMaker, orders_file: OrdersFile
) -> None:
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port(0)}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
    }
    with new_stack(workers=1, **variables) as stack:
        client = CommandLine(stack.environment)
        for number in range(2):
            ran = client("submit", orders_file(f"lost-{number}", 60), "--json")
            assert ran.code == 0
            assert ran.document["orders"] == 60
            assert ran.err.count("are lost, everything else goes on") == 1
        worker = stack.process("worker-1")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(20) == 0
        log = stack.log_tail("worker-1")
    assert log.count("are lost, everything else goes on") == 1
    assert "stopped, nothing left behind" in log
    assert "Traceback" not in log


def test_a_collector_that_never_answers_holds_nobody_up(
    new_stack: StackMaker, orders_file: OrdersFile
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        with new_stack(workers=1) as stack:
            client = CommandLine(stack.environment)
            ran = client("submit", orders_file("silent", 5), "--no-wait", **endpoint)
    assert ran.code == 0
    assert ran.err.count("are lost, everything else goes on") == 1


def imported(stderr: str) -> set[str]:
    """The modules that `-X importtime` tells of."""
    lines = (line.rsplit("|", 1)[-1] for line in stderr.splitlines() if "import time:" in line)
    return {line.strip() for line in lines}


def test_without_an_endpoint_nothing_of_opentelemetry_is_imported(
    tmp_path: Path, new_stack: StackMaker, orders_file: OrdersFile
) -> None:
    log = tmp_path / "worker.log"
    with new_stack(workers=1) as stack:
        command = [sys.executable, "-X", "importtime", "-m", "services.client"]
        client = subprocess.run(
            [*command, "submit", str(orders_file("untraced", 5))],
            cwd=ROOT, env=stack.environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        with log.open("wb") as stream:
            worker = subprocess.Popen(
                [sys.executable, "-X", "importtime", "-m", "services.worker"],
                cwd=ROOT, env=os.environ | stack.environment, stderr=stream,
            )  # fmt: skip
        try:
            wait_for_line(log, "connected to")
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(20) == 0
        finally:
            end(worker)
    for stderr in (client.stderr, log.read_text()):
        assert "durabletask" in imported(stderr)
        # The SDK's try to import the package is told too, and its failure is not.
        unwanted = ("opentelemetry.", "prometheus_client")
        assert not [name for name in imported(stderr) if name.startswith(unwanted)]
