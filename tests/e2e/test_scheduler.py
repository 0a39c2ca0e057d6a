import logging
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from durabletask.azuremanaged.client import DurableTaskSchedulerClient
from durabletask.client import TaskHubGrpcClient
from durabletask.grpc_options import GrpcChannelOptions
from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.internal import orchestrator_service_pb2_grpc as service

from scripts.local_stack import ROOT, LocalStack
from services.shared.sdk import status_code, status_details
from tests.e2e.conftest import StackMaker
from tests.e2e.schedulers import run_scheduler, wait_for_metric

QUIET = logging.getLogger("tests.quiet")


def client_of(stack: LocalStack, hub: str, **options: Any) -> TaskHubGrpcClient:
    return DurableTaskSchedulerClient(
        host_address=stack.endpoint,
        taskhub=hub,
        token_credential=None,
        secure_channel=False,
        logger=QUIET,
        **options,
    )


def test_the_probe_of_a_serving_scheduler_is_healthy(stack: LocalStack) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "services.scheduler.probe"],
        cwd=ROOT,
        env=stack.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (0, "/healthz answers 204\n")


def test_the_probe_without_a_scheduler_is_not_healthy(stack: LocalStack) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "services.scheduler.probe"],
        cwd=ROOT,
        env=stack.environment | {"SCHEDULER_HTTP_PORT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "no answer from 127.0.0.1:1" in ran.stdout


@pytest.mark.parametrize("hub", ["nowhere", "Default"])
def test_an_unknown_task_hub_is_not_found_by_calls_and_streams(stack: LocalStack, hub: str) -> None:
    with client_of(stack, hub) as client:
        for call in (client.get_orchestration_state, client.get_orchestration_history):
            with pytest.raises(grpc.RpcError) as refused:
                call("x")
            assert status_code(refused.value) is grpc.StatusCode.NOT_FOUND
            assert status_details(refused.value) == f"Task hub not found: {hub}"


def test_a_client_that_names_no_task_hub_is_not_found(stack: LocalStack) -> None:
    with TaskHubGrpcClient(host_address=stack.endpoint, logger=QUIET) as client:
        with pytest.raises(grpc.RpcError) as refused:
            client.get_orchestration_state("x")
        assert status_code(refused.value) is grpc.StatusCode.NOT_FOUND


def test_task_hubs_never_see_one_another(new_stack: StackMaker) -> None:
    with (
        new_stack(workers=0, DTS_TASK_HUB_NAMES="left, right") as stack,
        client_of(stack, "left") as left,
        client_of(stack, "right") as right,
    ):
        left.schedule_new_orchestration("anything", instance_id="mine")
        assert left.get_orchestration_state("mine") is not None
        assert right.get_orchestration_state("mine") is None
        assert right.get_all_orchestration_states() == []


@pytest.mark.parametrize("setting", ["SCHEDULER_GRPC_PORT", "SCHEDULER_HTTP_PORT"])
def test_a_port_in_use_is_told_with_the_setting_to_change(
    stack: LocalStack, tmp_path: Path, setting: str
) -> None:
    taken = {setting: stack.environment[setting]}
    ran = run_scheduler(tmp_path / "data", **taken)
    assert ran.returncode == 2
    assert f"cannot listen on 127.0.0.1:{taken[setting]}" in ran.stderr
    assert f"set {setting}" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("port", ["grpc_port", "http_port"])
def test_only_the_address_that_it_was_told_to_serve_is_served(stack: LocalStack, port: str) -> None:
    number = getattr(stack, port)
    socket.create_connection(("127.0.0.1", number), timeout=5).close()
    # A server on every interface would answer here too.
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", number), timeout=5)


def test_a_client_with_a_short_keepalive_is_not_cut_off(new_stack: StackMaker) -> None:
    options = GrpcChannelOptions(
        keepalive_time_ms=5_000,
        keepalive_timeout_ms=2_000,
        keepalive_permit_without_calls=True,
        raw_options=[("grpc.http2.max_pings_without_data", 0)],
    )
    with (
        new_stack(workers=0) as stack,
        client_of(stack, "default", channel_options=options) as client,
    ):
        client.schedule_new_orchestration("nobody runs this", instance_id="keepalive")
        started = time.monotonic()
        # A default server cuts such a client after 15 s, and the wait ends with UNAVAILABLE.
        with pytest.raises(TimeoutError):
            client.wait_for_orchestration_completion("keepalive", timeout=25)
        assert time.monotonic() - started > 24


def test_a_stop_is_quick_and_clean_even_with_a_waiting_client(new_stack: StackMaker) -> None:
    with new_stack(workers=1) as stack, client_of(stack, "default") as client:
        client.schedule_new_orchestration("nobody runs this", instance_id="w")
        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(client.wait_for_orchestration_completion, "w", timeout=60)
            wait_for_metric(stack, 1, "scheduler_waiters")
            process = stack.process("scheduler")
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
            told: Any = waiting.exception(10)
            # Not cut off: it may ask the next one.
            assert told.code() is grpc.StatusCode.UNAVAILABLE
            assert told.details() == "The scheduler is stopping"
        assert "ready: gRPC on 127.0.0.1:" in stack.log_tail("scheduler")
        assert "services.scheduler.app: stopped" in stack.log_tail("scheduler")


def test_a_stream_without_work_says_that_it_lives(new_stack: StackMaker) -> None:
    with (
        new_stack(workers=0) as stack,
        grpc.insecure_channel(f"127.0.0.1:{stack.grpc_port}") as channel,
    ):
        hub = service.TaskHubSidecarServiceStub(channel)  # type: ignore[no-untyped-call]  # generated code
        stream = hub.GetWorkItems(
            pb.GetWorkItemsRequest(), metadata=[("taskhub", "default")], timeout=40
        )
        assert next(stream).HasField("healthPing")
        stream.cancel()
