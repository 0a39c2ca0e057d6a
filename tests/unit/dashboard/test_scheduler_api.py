"""Whom the dashboard believes to be the scheduler, on real ports."""

import asyncio
import json
from pathlib import Path

import pytest

from services.dashboard.errors import SchedulerAwayError
from services.dashboard.scheduler_api import connected
from services.shared.bearer import TokenSource
from tests.e2e.certificates import made
from tests.store.loops import on_a_loop
from tests.unit.auth.key_server import KeyServer, key_server
from tests.unit.edge.served import served


def ask(server: KeyServer, ca: Path | None = None) -> object:
    """What a server answers to the dashboard, which shows it its token."""

    async def exchange() -> object:
        token = TokenSource("t" * 32)
        endpoint = server.url.removesuffix("/keys")
        async with connected(endpoint, ca=ca, token=token) as api:
            return (await api.call(None, "")).json()

    return asyncio.run(exchange())


def test_a_certificate_that_is_not_trusted_gets_no_token(tmp_path: Path) -> None:
    own, other = made(tmp_path / "own"), made(tmp_path / "other", "tasks.example.com")
    with key_server() as server:
        server.document = json.dumps({"taskHubs": []}).encode()
        server.encrypt(own.cert, own.key)
        for ca in (None, other.ca):
            with pytest.raises(SchedulerAwayError, match="its certificate is not trusted"):
                ask(server, ca)
        assert server.asked == 0
        assert ask(server, own.ca) == {"taskHubs": []}
    with key_server() as server:
        # Of an authority that is trusted, for somebody else.
        server.encrypt(other.cert, other.key)
        with pytest.raises(SchedulerAwayError, match="its certificate is not trusted"):
            ask(server, other.ca)
        assert server.asked == 0


@on_a_loop
async def test_what_speaks_no_http_is_not_taken_for_one_that_hung_up() -> None:
    # The likeliest: the scheduler's other port.
    async with (
        served(lambda call: call.reply(b"")) as test,
        connected(f"http://127.0.0.1:{test.port}") as api,
    ):
        with pytest.raises(SchedulerAwayError, match=r"it does not speak HTTP: .* 8081"):
            await api.call(None, "")


def test_no_proxy_of_the_environment_gets_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with key_server() as server, key_server() as proxy:
        server.document = json.dumps({"taskHubs": []}).encode()
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.server_port}")
        assert ask(server) == {"taskHubs": []}
        assert (server.asked, proxy.asked) == (1, 0)
