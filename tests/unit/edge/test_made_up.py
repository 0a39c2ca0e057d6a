"""A method is any word that a client makes up: none makes a series, or a line in the log."""

import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from services.scheduler.auth import key_sources
from services.scheduler.auth.gate import Gate
from services.scheduler.auth.json_web_tokens import JsonWebTokens
from services.scheduler.auth.key_sources import KeyAddress
from services.scheduler.bounds import DEFAULTS
from tests.store.loops import on_a_loop
from tests.unit.auth.callers import EVERYWHERE
from tests.unit.auth.key_server import key_server
from tests.unit.auth.signers import Signer, rules_for
from tests.unit.edge.served import until
from tests.unit.edge.test_access import scheduler

MADE_UP = [f"MadeUp{number}" for number in range(5)]


def refusals(log: pytest.LogCaptureFixture) -> list[str]:
    """What the log's lines say was refused."""
    return [text.partition(" refused")[0] for text in log.messages if "refused" in text]


@on_a_loop
async def test_methods_that_strangers_make_up_are_counted_and_told_as_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with scheduler(tmp_path) as test:
        for name in MADE_UP:
            assert (await test.call(name, None))[0] is grpc.StatusCode.UNAUTHENTICATED
            assert (await test.call(name, EVERYWHERE))[0] is grpc.StatusCode.UNIMPLEMENTED
        assert test.service.calls == Counter(
            {("unknown", "UNAUTHENTICATED"): 5, ("unknown", "UNIMPLEMENTED"): 5}
        )
    assert refusals(caplog) == ["unknown"]


@on_a_loop
async def test_so_are_those_whose_tokens_key_does_not_come(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(key_sources, "WAIT_SECONDS", 0.01)
    signer, allowed = Signer("one"), frozenset({"RS256"})
    with key_server() as server:
        server.answers.clear()
        tokens = JsonWebTokens(rules_for(algorithms=allowed), KeyAddress(server.url, allowed))
        async with scheduler(tmp_path, gate=Gate(tokens)) as test:
            for name in MADE_UP:
                code, _ = await test.call(name, signer.token())
                assert code is grpc.StatusCode.UNAVAILABLE
            assert test.service.calls == Counter({("unknown", "UNAVAILABLE"): 5})
    assert refusals(caplog) == ["unknown"]


@on_a_loop
async def test_those_that_there_is_no_room_for_are_not_counted_at_all(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    full = replace(DEFAULTS, connection_calls_max=0)
    async with scheduler(tmp_path, bounds=full) as test:
        for name in [*MADE_UP, *["Hello"] * 5]:
            code, text = await test.call(name, None)
            assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "SCHEDULER_CONNECTION_CALLS_MAX" in text
        # Told of in the order in which they came.
        await until(lambda: test.service.calls["Hello", "RESOURCE_EXHAUSTED"] == 5)
        assert test.service.calls == Counter({("Hello", "RESOURCE_EXHAUSTED"): 5})
    assert refusals(caplog) == ["calls are"]
