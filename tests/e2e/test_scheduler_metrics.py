"""What the scheduler tells of itself beside its work items: requests, files, commits, endings."""

import json
from pathlib import Path

import grpc
import httpx
import pytest

from tests.conformance.raw_worker import finishes, raw_worker, start
from tests.e2e.conftest import StackMaker
from tests.e2e.processes import wait_until
from tests.e2e.schedulers import data_of, hub_of, metric
from tests.e2e.scraped import scrape, value

REQUESTS = "scheduler_http_requests_total"


def test_http_requests_are_counted_by_route_and_status(new_stack: StackMaker) -> None:
    with new_stack(workers=0) as stack:
        http = f"http://127.0.0.1:{stack.http_port}"
        hub = {"x-taskhub": "default"}
        for name in ("one", "two"):
            httpx.get(f"{http}/v1/taskhubs/orchestrations/{name}", headers=hub)
        httpx.get(f"{http}/healthz")
        for name in ("a", "b", "c"):
            httpx.request(name.upper() * 3, f"{http}/{name}")
        httpx.get(f"{http}/v1/taskhubs", headers={"host": "evil.example"})
        samples = scrape(http)
        route = "/v1/taskhubs/orchestrations/{instanceId}"
        assert value(samples, REQUESTS, method="GET", route=route, code="404") == 2
        assert value(samples, REQUESTS, method="GET", route="/healthz", code="204") == 1
        # What a client makes up makes no series.
        assert value(samples, REQUESTS, method="other", route="other", code="404") == 3
        assert value(samples, REQUESTS, method="GET", route="other", code="403") == 1


def test_commits_have_a_histogram_and_files_their_sizes(new_stack: StackMaker) -> None:
    with new_stack(workers=0) as stack, hub_of(stack) as hub:
        for _ in range(20):
            start(hub, "measured")
        samples = scrape(f"http://127.0.0.1:{stack.http_port}")
        buckets = [s for s in samples if s.name == "scheduler_commit_duration_seconds_bucket"]
        counts = [s.value for s in buckets]
        commits = value(samples, "scheduler_commits_total")
        assert commits >= 20
        assert counts == sorted(counts)
        assert buckets[-1].labels["le"] == "+Inf"
        assert counts[-1] == commits
        assert value(samples, "scheduler_commit_duration_seconds_count") == commits
        seconds = value(samples, "scheduler_commit_seconds_total")
        assert value(samples, "scheduler_commit_duration_seconds_sum") == seconds
        file = data_of(stack) / "default.db"
        assert value(samples, "scheduler_database_bytes", task_hub="default") == file.stat().st_size
        log = Path(f"{file}-wal").stat().st_size
        assert value(samples, "scheduler_wal_bytes", task_hub="default") == log > 0
        size = value(samples, "scheduler_disk_size_bytes")
        assert 0 < value(samples, "scheduler_disk_free_bytes") <= size
        assert value(samples, "process_resident_memory_bytes") > 0


def test_a_log_that_is_not_there_has_no_bytes(new_stack: StackMaker) -> None:
    with new_stack(workers=0) as stack, hub_of(stack) as hub:
        start(hub, "measured")
        # It comes and goes; what SQLite has open stays open.
        Path(f"{data_of(stack) / 'default.db'}-wal").unlink()
        samples = scrape(f"http://127.0.0.1:{stack.http_port}")
        assert value(samples, "scheduler_wal_bytes", task_hub="default") == 0


def test_a_method_that_is_not_there_is_counted_under_one_name(new_stack: StackMaker) -> None:
    with new_stack(workers=0) as stack, grpc.insecure_channel(stack.endpoint[7:]) as channel:
        for name in ("A", "B"):
            call = channel.unary_unary(f"/TaskHubSidecarService/{name}", None, None)
            with pytest.raises(grpc.RpcError, match="Method not found!"):
                call(b"", timeout=10)
        calls = "scheduler_rpcs_total"
        assert metric(stack, calls, method="unknown", code="UNIMPLEMENTED") == 2


def test_orchestrations_are_counted_and_told_with_their_ids(new_stack: StackMaker) -> None:
    with new_stack(workers=0, LOG_FORMAT="json") as stack, hub_of(stack) as hub:
        first, second, third = (start(hub, "told") for _ in range(3))
        with raw_worker(hub, orchestrations=["told"]) as worker:
            for item in worker.items(2):
                worker.decide(item, finishes(1))
            worker.item()
            hub.client.terminate_orchestration(third)
            ended = "scheduler_orchestrations_ended_total"
            wait_until(lambda: metric(stack, ended, status="terminated") == 1)
        assert metric(stack, ended, status="completed") == 2
        assert metric(stack, "scheduler_orchestrations_started_total") == 3
        log = (data_of(stack).parent / "scheduler.log").read_text()
        lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
        told = [(line["instance_id"], line["event"]) for line in lines if "instance_id" in line]
        assert sorted(told) == sorted(
            [(name, "started") for name in (first, second, third)]
            + [(first, "completed"), (second, "completed"), (third, "terminated")]
        )
