"""What lies in the payload store is shown to whoever may see its token, and to nobody else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.scheduler.auth.gate import Gate
from services.scheduler.engine.protos import StringValue, pb
from services.scheduler.http import replies
from services.scheduler.http.payloads import SHOWN_BYTES_MAX
from services.scheduler.http.routes import application
from services.shared.payload_files import token_of
from tests.store.loops import on_a_loop
from tests.unit.hub.yard import Yard, yard

ORCHESTRATIONS = "/v1/taskhubs/orchestrations"
CONTENT = '{"note": "größer als gedacht"}'
BYTES = len(CONTENT.encode())


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[Yard, httpx.AsyncClient]]:
    async with yard(folder) as here:
        transport = httpx.ASGITransport(application(here.hubs, {}, Gate()))
        headers = {"x-taskhub": "default"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost", headers=headers
        ) as client:
            yield here, client


async def payload(client: httpx.AsyncClient, token: str, **headers: str) -> httpx.Response:
    answer = await client.get(f"/v1/taskhubs/payloads/{token}", headers=headers)
    if answer.status_code == 200:
        replies.StoredPayloadContent.model_validate_json(answer.content)
    return answer


async def payloads(client: httpx.AsyncClient) -> Any:
    answer = await client.get(f"{ORCHESTRATIONS}/a/payloads")
    assert answer.status_code == 200
    replies.Payloads.model_validate_json(answer.content)
    return answer.json()


@on_a_loop
async def test_payloads_are_given_whole_and_said_to_lie_elsewhere(tmp_path: Path) -> None:
    async with served(tmp_path) as (here, client):
        token = here.upload(CONTENT)
        await here.start("a", token)
        assert await payloads(client) == {
            "input": CONTENT,
            "output": None,
            "customStatus": None,
            "stored": {
                "input": {
                    "token": token,
                    "bytes": BYTES,
                    "file": str(here.files.path(token)),
                    "problem": None,
                }
            },
        }
        whole = await payload(client, token)
        assert whole.json()["content"] == CONTENT
        assert whole.json()["bytes"] == BYTES


@on_a_loop
async def test_a_payload_that_lies_nowhere_else_says_so(tmp_path: Path) -> None:
    async with served(tmp_path) as (here, client):
        await here.start("a", "[1,2]")
        assert await payloads(client) == {"input": "[1,2]", "output": None, "customStatus": None}


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda path: path.unlink(), "there is no file {path}"),
        (
            lambda path: path.write_bytes(b"other"),
            "the file {path} is damaged (5 bytes of other content)",
        ),
        (lambda path: path.write_bytes(b""), "the file {path} is damaged (0 bytes of other"),
    ],
    ids=["missing", "damaged", "empty"],
)
def test_what_cannot_be_read_is_said_and_its_token_shown(
    tmp_path: Path, spoil: Any, problem: str
) -> None:
    @on_a_loop
    async def run() -> None:
        async with served(tmp_path) as (here, client):
            token = here.upload(CONTENT)
            await here.start("a", token)
            first = await client.get(f"{ORCHESTRATIONS}/a/payloads")
            path = here.files.path(token)
            spoil(path)
            seen = {"if-none-match": first.headers["etag"]}
            shown = (await client.get(f"{ORCHESTRATIONS}/a/payloads", headers=seen)).json()
            assert shown["input"] == token
            assert problem.format(path=path) in shown["stored"]["input"]["problem"]
            told = await payload(client, token)
            assert (told.status_code, told.json()["content"]) == (200, None)
            assert problem.format(path=path) in told.json()["problem"]

    run()


@on_a_loop
async def test_what_is_larger_than_any_payload_in_a_hub_is_named_and_not_read(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as (here, client):
        large, largest = "x" * (SHOWN_BYTES_MAX + 1), "y" * SHOWN_BYTES_MAX
        await here.start("a", here.upload(large))
        shown = await payloads(client)
        assert shown["input"] == token_of(large.encode())
        problem = "it has 1,048,577 bytes, and up to 1,048,576 are shown"
        assert shown["stored"]["input"]["problem"] == problem
        assert shown["stored"]["input"]["bytes"] == SHOWN_BYTES_MAX + 1
        await here.purge("a")
        await here.start("a", here.upload(largest))
        assert (await payloads(client))["input"] == largest


@on_a_loop
async def test_what_is_no_text_is_not_shown(tmp_path: Path) -> None:
    async with served(tmp_path) as (here, client):
        await here.start("a", here.files.write(b"\xff\xfe"))
        assert (await payloads(client))["stored"]["input"]["problem"] == "it is no UTF-8 text"


@on_a_loop
async def test_only_a_hub_that_names_a_payload_gives_it(tmp_path: Path) -> None:
    async with served(tmp_path) as (here, client):
        token, never_there = here.upload(CONTENT), token_of(b"nobody's")
        await here.start("a", token)
        await here.start("b", "1", "other")
        assert (await payload(client, token)).status_code == 200
        texts = []
        for asked in (token, never_there):
            # There or not: nobody learns which.
            refused = await payload(client, asked, **{"x-taskhub": "other"})
            assert refused.status_code == 404
            texts.append(refused.json()["error"]["message"].replace(asked, "T"))
        assert texts == ["Nothing in this task hub names the payload T"] * 2
        await here.purge("a")
        assert here.has(token)
        assert (await payload(client, token)).status_code == 404


@pytest.mark.parametrize(
    "asked",
    [
        "file:v1:..%2F..%2F..%2Fetc%2Fpasswd",
        "file:v1:" + "A" * 64,
        "file:v1:" + "a" * 65,
        "file:v1:" + "a" * 64 + "%0A",
        "blob:v1:payloads:x",
        "x",
    ],
)
def test_what_is_no_token_is_refused(tmp_path: Path, asked: str) -> None:
    @on_a_loop
    async def run() -> None:
        async with served(tmp_path) as (_here, client):
            refused = await payload(client, asked)
            assert refused.status_code == 400
            assert "A payload is named by its token" in refused.json()["error"]["message"]

    run()


@on_a_loop
async def test_lists_histories_and_heads_show_tokens_with_their_sizes(tmp_path: Path) -> None:
    async with served(tmp_path) as (here, client):
        token, output = here.upload(CONTENT), here.upload("the output")
        await here.start("a", token)
        hub = here.hubs.find("default")
        ended = pb.TerminateRequest(instanceId="a", output=StringValue(value=output))
        await hub.in_steps(hub.hub.terminate(ended))
        await hub.hub.durable()
        listed = await client.post(
            f"{ORCHESTRATIONS}/query", json={"fields": ["input", "output", "customStatus"]}
        )
        replies.OrchestrationList.model_validate_json(listed.content)
        (row,) = listed.json()["orchestrations"]
        assert (row["input"], row["output"]) == (token, output)
        assert row["stored"] == {"input": BYTES, "output": 10}
        head = await client.get(f"{ORCHESTRATIONS}/a")
        replies.OrchestrationDetail.model_validate_json(head.content)
        detail = head.json()
        assert detail["stored"] == {"input": BYTES, "output": 10}
        path = f"{ORCHESTRATIONS}/a/executions/{detail['executionId']}/history"
        page = await client.get(path)
        replies.HistoryPage.model_validate_json(page.content)
        events = page.json()["events"]
        stored = {name: size for event in events for name, size in event.get("stored", {}).items()}
        assert stored["executionStarted.input"] == BYTES
        assert 10 in stored.values()
        (begun,) = (event for event in events if "executionStarted" in event)
        assert begun["executionStarted"]["input"] == token
        one = (await client.get(f"{path}/{begun['index']}")).json()
        assert one["stored"] == {"executionStarted.input": BYTES}
        bare = (await client.get(path, params={"payloadChars": 0})).json()["events"]
        assert all("stored" not in event for event in bare)
        here.files.path(token).unlink()
        one = (await client.get(f"{path}/{begun['index']}")).json()
        assert one["stored"] == {"executionStarted.input": None}


@on_a_loop
async def test_an_entitys_state_shows_its_token_with_its_size(tmp_path: Path) -> None:
    async with served(tmp_path) as (here, client):
        token = here.upload(CONTENT)
        hub = here.hubs.find("default")
        hub.hub.signal_entity(pb.SignalEntityRequest(instanceId="@e@k", name="put"))
        parts = hub.desk._parts  # noqa: SLF001 - what a worker answers, without its stream
        with parts.commits.use_case():
            row = parts.entities.find_entity("@e@k")
            assert row is not None
            entity = type(row.entity)(entity_id="@e@k", state=token)
            parts.entities.save_entity(row.seq, entity, here.now())
        await hub.hub.durable()
        one = await client.get("/v1/taskhubs/entities/@e@k")
        replies.EntityDetail.model_validate_json(one.content)
        shown = one.json()
        assert (shown["state"], shown["stored"]) == (token, {"state": BYTES})
        listed = await client.post("/v1/taskhubs/entities/query", json={"fields": ["state"]})
        replies.EntityList.model_validate_json(listed.content)
        assert listed.json()["entities"][0]["stored"] == {"state": BYTES}
        assert (await payload(client, token)).json()["content"] == CONTENT


@on_a_loop
async def test_without_a_directory_tokens_are_shown_as_they_are(tmp_path: Path) -> None:
    async with served(tmp_path) as (here, client):
        token = here.upload(CONTENT)
        await here.start("a", token)
        here.hubs.payloads = None
        shown = await payloads(client)
        assert shown["input"] == token
        assert shown["stored"]["input"] == {
            "token": token,
            "bytes": None,
            "file": None,
            "problem": "PAYLOAD_STORE names no directory here",
        }
        blob = "blob:v1:payloads:some/blob"
        await here.start("b", blob)
        shown = (await client.get(f"{ORCHESTRATIONS}/b/payloads")).json()
        assert shown == {"input": blob, "output": None, "customStatus": None}
