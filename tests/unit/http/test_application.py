"""The management API on a real task hub: what does not show from outside, or not soon enough."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from services.scheduler.auth.gate import Gate
from services.scheduler.dispatch.streams import Terms
from services.scheduler.edge.service import TaskHubService
from services.scheduler.engine.protos import StringValue, pb
from services.scheduler.http import bulk
from services.scheduler.http.routes import application
from services.scheduler.hub.hubs import TaskHubs
from services.scheduler.hub.wire import history_chunk
from services.scheduler.store import listing
from services.scheduler.store.database import DataDirectory, open_writer
from services.scheduler.store.store import Store
from tests.store.loops import on_a_loop
from tests.unit.engine.given import EXECUTION, NOW, event, started

ORCHESTRATIONS = "/v1/taskhubs/orchestrations"
MIB = 1024 * 1024


@asynccontextmanager
async def served(
    folder: Path, *names: str, dynamic: bool = False
) -> AsyncIterator[tuple[TaskHubs, httpx.AsyncClient]]:
    failures: list[BaseException] = []
    hubs = TaskHubs(DataDirectory(folder), names, dynamic=dynamic, on_failure=failures.append)
    transport = httpx.ASGITransport(application(hubs, {}, Gate()))
    headers = {"x-taskhub": "default"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://localhost", headers=headers
    ) as client:
        yield hubs, client
    hubs.close()
    assert failures == []


@on_a_loop
async def test_only_a_start_or_a_signal_makes_a_dynamic_hub(tmp_path: Path) -> None:
    async with served(tmp_path, dynamic=True) as (hubs, client):
        for number, path in enumerate(("workers", "orchestrations/a", "entities/@e@k")):
            headers = {"x-taskhub": f"other-{number}"}
            answer = await client.get(f"/v1/taskhubs/{path}", headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")
        queried = await client.post(f"{ORCHESTRATIONS}/query", json={})
        assert queried.status_code == 404
        assert [hub.name for hub in hubs.opened] == []
        begun = await client.post(ORCHESTRATIONS, json={"name": "echo"})
        assert begun.status_code == 201
        signal = {"operation": "add"}
        path = "/v1/taskhubs/entities/@e@k/signal"
        sent = await client.post(path, json=signal, headers={"x-taskhub": "second"})
        assert sent.status_code == 202
        assert sorted(hub.name for hub in hubs.opened) == ["default", "second"]


@on_a_loop
async def test_no_answer_may_be_read_by_another_sites_page(tmp_path: Path) -> None:
    asking = {"origin": "http://evil.example.com", "access-control-request-method": "POST"}
    async with served(tmp_path, "default") as (_hubs, client):
        for method in ("GET", "OPTIONS", "POST"):
            for path in ("/healthz", "/metrics", "/openapi.json", "/v1/taskhubs", ORCHESTRATIONS):
                answer = await client.request(method, path, headers=asking)
                allowed = [name for name in answer.headers if name.startswith("access-control-")]
                assert allowed == [], (method, path)


@on_a_loop
async def test_what_is_unchanged_in_one_hub_says_nothing_of_another(tmp_path: Path) -> None:
    async with served(tmp_path, "default", "other") as (hubs, client):
        await hubs.durable()
        tags = {}
        for hub in ("default", "other"):
            answer = await client.post(
                f"{ORCHESTRATIONS}/query", json={}, headers={"x-taskhub": hub}
            )
            tags[hub] = answer.headers["etag"]
        assert tags["default"] != tags["other"]


@on_a_loop
async def test_a_refused_start_or_signal_makes_no_hub(tmp_path: Path) -> None:
    refused: list[tuple[str, dict[str, Any]]] = [
        (ORCHESTRATIONS, {"content": "{bad", "headers": {"content-type": "application/json"}}),
        (ORCHESTRATIONS, {"content": "{}", "headers": {"content-type": "text/plain"}}),
        (ORCHESTRATIONS, {"json": {"name": ""}}),
        (ORCHESTRATIONS, {"json": {"name": "echo", "instanceId": "@x"}}),
        (ORCHESTRATIONS, {"json": {"name": "echo", "input": "x" * 2_000_000}}),
        ("/v1/taskhubs/entities/bad/signal", {"json": {"operation": "add"}}),
        ("/v1/taskhubs/entities/@e@k/signal", {"json": {"operation": ""}}),
    ]
    async with served(tmp_path, dynamic=True) as (hubs, client):
        for path, request in refused:
            answer = await client.post(path, **request)
            assert answer.status_code in {400, 413, 415}, answer.text
        unnamable = await client.post(
            ORCHESTRATIONS, json={"name": "echo"}, headers={"x-taskhub": "../x"}
        )
        assert unnamable.status_code == 404
        assert hubs.opened == ()


@on_a_loop
async def test_a_refusal_leaves_after_the_commit_that_it_rests_on(tmp_path: Path) -> None:
    async with served(tmp_path, "default") as (hubs, client):
        (hub,) = hubs.opened

        async def commits_at_answer(body: Any) -> tuple[int, int]:
            answer = await client.post(ORCHESTRATIONS, json=body)
            return answer.status_code, hub.commit_counts.commits

        body = {"name": "echo", "instanceId": "a"}
        await hub.hub.durable()
        before = hub.commit_counts.commits
        (first, _), (second, at_refusal) = await asyncio.gather(
            commits_at_answer(body), commits_at_answer(body)
        )
        assert (first, second) == (201, 409)
        assert at_refusal > before


class Wire:
    """What a call of gRPC needs of the wire under it."""

    method = "/TaskHubSidecarService/StartInstance"
    metadata = (("taskhub", "default"),)
    message = pb.CreateInstanceRequest(instanceId="a", name="echo").SerializeToString()

    def __init__(self, hubs: TaskHubs) -> None:
        (self._hub,) = hubs.opened
        self.ended = asyncio.Event()
        self.outcome: tuple[grpc.StatusCode, int] | None = None

    def when_cancelled(self, _act: Any) -> None:
        """It never is."""

    def reply(self, _message: bytes) -> None:
        """Notes when it is answered."""
        self.refuse(grpc.StatusCode.OK, "")

    def refuse(self, code: grpc.StatusCode, _text: str) -> None:
        """Notes when it is refused."""
        self.outcome = (code, self._hub.commit_counts.commits)
        self.ended.set()


@on_a_loop
async def test_a_refusal_of_grpc_leaves_after_that_commit_too(tmp_path: Path) -> None:
    async with served(tmp_path, "default") as (hubs, _client):
        (hub,) = hubs.opened
        service = TaskHubService(hubs, Gate())
        await hub.hub.durable()
        before = hub.commit_counts.commits
        wires: list[Any] = [Wire(hubs), Wire(hubs)]
        for wire in wires:
            service.take(wire)
        await asyncio.gather(*(wire.ended.wait() for wire in wires))
        assert [wire.outcome for wire in wires] == [
            (grpc.StatusCode.OK, before + 1),
            (grpc.StatusCode.ALREADY_EXISTS, before + 1),
        ]


@on_a_loop
async def test_a_page_of_a_history_reads_8_mebibytes_however_little_it_shows(
    tmp_path: Path,
) -> None:
    large = pb.EventRaisedEvent(name="e", input=StringValue(value="x" * 900_000))
    with closing(open_writer(tmp_path / "default.db")) as writer:
        store = Store(writer, NOW)
        seq = store.add_instance(started(), NOW, None).seq
        for turn in range(2):
            events = [event(n, eventRaised=large) for n in range(15)]
            store.append_history(seq, turn, len(events), history_chunk(events))
    async with served(tmp_path, "default") as (_hubs, client):
        path = f"{ORCHESTRATIONS}/order-1/executions/{EXECUTION}/history"
        parameters: dict[str, Any] = {"payloadChars": 0, "count": 1_000}
        shown, sizes = [], []
        while True:
            page = (await client.get(path, params=parameters)).json()
            shown += [one["index"] for one in page["events"]]
            sizes.append(len(page["events"]))
            if page["nextCursor"] is None:
                break
            parameters["cursor"] = page["nextCursor"]
        assert shown == list(range(30))
        assert sizes == [9, 9, 9, 3]


@on_a_loop
async def test_a_page_that_ends_before_its_first_row_skips_the_rest_later(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "COUNTED_MAX", 5)
        patch.setattr(listing, "WINDOW", 2)
        patch.setattr(listing, "TESTED_MAX", 20)
        async with served(tmp_path, "default") as (_hubs, client):
            for number in range(120):
                body = {"name": "abc"[number % 3], "instanceId": f"{number % 2}-{number:03d}"}
                await client.post(ORCHESTRATIONS, json=body)
            # By name, so that no index decides it.
            asked: dict[str, Any] = {
                "filter": {"instanceIdPrefix": "1-", "updatedFrom": "2020-01-01T00:00:00Z"},
                "sort": [{"column": "NAME"}],
            }

            async def ids(**pagination: Any) -> list[str]:
                found: list[str] = []
                while True:
                    body = asked | {"pagination": pagination}
                    page = (await client.post(f"{ORCHESTRATIONS}/query", json=body)).json()
                    found += [row["instanceId"] for row in page["orchestrations"]]
                    if page["nextCursor"] is None:
                        return found
                    pagination = {"count": 7, "cursor": page["nextCursor"]}

            everything = await ids(count=7)
            assert len(everything) == 60
            for skipped in (1, 8, 25, 59, 60):
                assert await ids(count=7, startIndex=skipped) == everything[skipped:]


@on_a_loop
async def test_waiting_names_are_shown_up_to_a_bound(tmp_path: Path) -> None:
    async with served(tmp_path, "default") as (hubs, client):
        (hub,) = hubs.opened
        for number in range(230):
            hub.hub.start(pb.CreateInstanceRequest(name=f"n{number:03d}"))
        for _ in range(3):
            hub.hub.start(pb.CreateInstanceRequest(name="zz"))
        await hub.hub.durable()
        shown = (await client.get("/v1/taskhubs/workers")).json()
        assert (len(shown["waiting"]), shown["waitingMore"]) == (200, 31)
        assert shown["waiting"][-1]["name"] == "zz"
        assert shown["waiting"][-1]["count"] == 3
        hub.desk.connect(Terms.of(pb.GetWorkItemsRequest(), "w"), print)
        await hub.hub.durable()
        (worker,) = (await client.get("/v1/taskhubs/workers")).json()["workers"]
        assert worker["connectedAt"].endswith("Z")


@on_a_loop
async def test_an_etag_is_short_however_many_hubs_there_are(tmp_path: Path) -> None:
    async with served(tmp_path, *(f"hub-{n}" for n in range(12))) as (hubs, client):
        tags = []
        for _ in range(2):
            tags.append((await client.get("/v1/taskhubs")).headers["etag"])
            hub = hubs.opened[7]
            hub.hub.start(pb.CreateInstanceRequest(name="echo"))
            await hub.hub.durable()
        assert max(map(len, tags)) < 50
        assert tags[0] != tags[1]


@on_a_loop
async def test_a_purge_by_filter_says_in_time_that_there_is_more(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bulk, "_PURGE_SECONDS", 0)
        async with served(tmp_path, "default") as (hubs, client):
            (hub,) = hubs.opened
            for number in range(150):
                hub.hub.start(pb.CreateInstanceRequest(instanceId=f"{number}", name="echo"))
                request = pb.TerminateRequest(instanceId=f"{number}")
                await hub.in_steps(hub.hub.terminate(request))
            await hub.hub.durable()
            path = f"{ORCHESTRATIONS}/purge"
            content = json.dumps({"filter": {}})
            headers = {"content-type": "application/json"}
            told = [
                (await client.request("DELETE", path, content=content, headers=headers)).json()
                for _ in range(2)
            ]
    assert told == [
        {"purged": 100, "isComplete": False}, {"purged": 50, "isComplete": True},
    ]  # fmt: skip


@on_a_loop
async def test_probes_and_scrapers_may_use_a_name_of_their_own(tmp_path: Path) -> None:
    async with served(tmp_path, "default") as (_hubs, client):
        answers = {}
        for path in ("/healthz", "/metrics", "/v1/taskhubs/ping", "/v1/taskhubs", "/openapi.json"):
            asked = await client.get(path, headers={"host": "tasks.svc.cluster.example:8081"})
            answers[path] = asked.status_code
    assert answers == {
        "/healthz": 204, "/metrics": 200, "/v1/taskhubs/ping": 403, "/v1/taskhubs": 403,
        "/openapi.json": 403,
    }  # fmt: skip
