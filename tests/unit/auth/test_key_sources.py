import asyncio
import threading
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest

from services.client.settings import ClientSettings
from services.scheduler.auth import key_sources
from services.scheduler.auth.gate import Gate
from services.scheduler.auth.json_web_tokens import JsonWebTokens
from services.scheduler.auth.key_sources import (
    FETCH_SECONDS,
    REFETCH_SECONDS,
    REFRESH_SECONDS,
    STALE_SECONDS_MAX,
    WAIT_SECONDS,
    KeyAddress,
    KeyFile,
)
from services.scheduler.errors import AuthenticationAwayError, UnauthenticatedError
from services.shared.environment import Environment
from tests.e2e.certificates import made
from tests.store.loops import on_a_loop
from tests.unit.auth.key_server import KeyServer, key_server
from tests.unit.auth.scarce_files import no_more_files
from tests.unit.auth.signers import Signer, published, rules_for

ONE, TWO = Signer("one"), Signer("two")
RS256 = frozenset({"RS256"})


class Door:
    """A gate whose keys come from a server, and the clock that they age by."""

    def __init__(self, server: KeyServer) -> None:
        self.now = 1_000.0
        self.source = KeyAddress(server.url, RS256, seconds=lambda: self.now)
        rules = rules_for(algorithms=RS256)
        self.gate = Gate(JsonWebTokens(rules, self.source))

    async def admit(self, token: str) -> str:
        """Whose token it is."""
        return (await self.gate.admit([f"Bearer {token}"])).name

    async def fetched(self) -> None:
        """Waits for a fetch that runs already."""
        await self.source.renewed()


@on_a_loop
async def test_keys_are_fetched_when_they_are_wanted_and_then_kept() -> None:
    with key_server() as server:
        server.document = published(ONE)
        door = Door(server)
        assert server.asked == 0
        for _ in range(3):
            assert await door.admit(ONE.token()) == "ada"
        assert server.asked == 1


@on_a_loop
async def test_an_unknown_key_is_fetched_but_not_for_everyone_who_makes_one_up() -> None:
    with key_server() as server:
        server.document = published(ONE)
        door = Door(server)
        await door.admit(ONE.token())
        server.document = published(ONE, TWO)
        for _ in range(3):
            with pytest.raises(UnauthenticatedError, match="not known"):
                await door.admit(TWO.token())
        assert server.asked == 1
        door.now += REFETCH_SECONDS
        assert await door.admit(TWO.token()) == "ada"
        for number in range(20):
            with pytest.raises(UnauthenticatedError):
                await door.admit(Signer(f"made up {number}").token() if number == 0 else "a.b.c")
        assert server.asked == 2


@on_a_loop
async def test_many_who_want_a_key_wait_for_one_fetch() -> None:
    with key_server() as server:
        server.document = published(ONE)
        door = Door(server)
        tokens = [ONE.token(sub=f"s{n}") for n in range(20)]
        names = await asyncio.gather(*map(door.admit, tokens))
        assert sorted(names) == sorted(f"s{n}" for n in range(20))
        assert server.asked == 1


@on_a_loop
async def test_a_server_that_hangs_holds_up_nobody_whose_key_is_known() -> None:
    with key_server() as server:
        server.document = published(ONE)
        door = Door(server)
        await door.admit(ONE.token())
        server.answers.clear()
        door.now += REFRESH_SECONDS + 1
        stranger = asyncio.create_task(door.admit(TWO.token()))
        for _ in range(3):
            # Without a single turn of the loop: nothing is awaited.
            assert door.gate.identify([f"Bearer {ONE.token()}"]).name == "ada"
        assert not stranger.done()
        server.answers.set()
        with pytest.raises(UnauthenticatedError):
            await stranger


@on_a_loop
async def test_the_loop_goes_on_while_keys_are_fetched() -> None:
    with key_server() as server:
        server.document = published(ONE)
        server.answers.clear()
        door = Door(server)
        waiting = asyncio.create_task(door.admit(ONE.token()))
        turns = 0
        while server.asked == 0:
            turns += 1
            await asyncio.sleep(0)
        assert turns > 0
        assert not waiting.done()
        server.answers.set()
        assert await waiting == "ada"


@on_a_loop
async def test_a_fetch_ends_though_the_server_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_sources, "FETCH_SECONDS", 0.1)
    with key_server() as server:
        server.answers.clear()
        door = Door(server)
        with pytest.raises(AuthenticationAwayError):
            await door.admit(ONE.token())
        for thread in threading.enumerate():
            if thread.name == "jwks":
                thread.join(10)
                assert not thread.is_alive()


@on_a_loop
async def test_nobody_waits_longer_than_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_sources, "WAIT_SECONDS", 0.05)
    with key_server() as server:
        server.document = published(ONE)
        server.answers.clear()
        door = Door(server)
        for _ in range(2):
            with pytest.raises(AuthenticationAwayError):
                await door.admit(ONE.token())
        # Nor does a scheduler that stops.
        assert {thread.daemon for thread in threading.enumerate() if thread.name == "jwks"} == {
            True
        }
        monkeypatch.undo()
        server.answers.set()
        await door.fetched()
        assert await door.admit(ONE.token()) == "ada"
        assert server.asked == 1


def test_a_caller_hears_of_a_server_that_hangs_before_its_own_patience_ends() -> None:
    client = ClientSettings.read(Environment({}))
    assert FETCH_SECONDS < WAIT_SECONDS < client.call_seconds
    # As the documentation says it.
    assert (REFETCH_SECONDS, REFRESH_SECONDS, STALE_SECONDS_MAX) == (10, 15 * 60, 24 * 3600)


def test_a_server_that_sends_drop_by_drop_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_sources, "FETCH_SECONDS", 0.3)
    with key_server() as server:
        server.document = b" " * 200
        server.pause = 0.02
        with pytest.raises(TimeoutError):
            key_sources.fetched(server.url)


def test_a_document_has_a_bound() -> None:
    with key_server() as server:
        server.document = b" " * (1024 * 1024 + 1)
        with pytest.raises(ValueError, match="more than 1048576 bytes"):
            key_sources.fetched(server.url)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_leads_nowhere(status: int) -> None:
    with key_server() as server, key_server() as other:
        other.document = published(TWO)
        server.status, server.location = status, other.url
        with pytest.raises(OSError, match=f"redirect \\({status}\\)"):
            key_sources.fetched(server.url)
        assert (server.asked, other.asked) == (1, 0)


def test_a_server_with_a_certificate_that_nobody_vouches_for_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = made(tmp_path / "own", "127.0.0.1")
    elsewhere = made(tmp_path / "elsewhere", "issuer.example")
    with key_server() as server:
        server.document = published(ONE)
        server.encrypt(files.cert, files.key)
        for ca in (None, elsewhere.ca):
            if ca is not None:
                monkeypatch.setenv("SSL_CERT_FILE", str(ca))
            with pytest.raises(URLError, match="CERTIFICATE_VERIFY_FAILED"):
                key_sources.fetched(server.url)
        assert server.asked == 0
        monkeypatch.setenv("SSL_CERT_FILE", str(files.ca))
        assert key_sources.fetched(server.url) == published(ONE)
    with key_server() as server:
        # Of an authority that is trusted, for somebody else.
        monkeypatch.setenv("SSL_CERT_FILE", str(elsewhere.ca))
        server.encrypt(elsewhere.cert, elsewhere.key)
        with pytest.raises(URLError, match="CERTIFICATE_VERIFY_FAILED"):
            key_sources.fetched(server.url)
        assert server.asked == 0


def test_no_proxy_hears_of_keys_that_come_unencrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with key_server() as server, key_server() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.server_port}")
        server.document = published(ONE)
        assert key_sources.fetched(server.url) == published(ONE)
        assert (server.asked, proxy.asked) == (1, 0)


def test_a_file_that_could_not_be_read_for_a_moment_is_read_the_next_time(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_bytes(published(ONE))
    file = KeyFile(path, RS256)
    path.write_bytes(published(ONE, TWO))
    with no_more_files():
        lost = file.keys
    assert lost is None
    keys = file.keys
    assert keys is not None
    assert keys.find(TWO.key_id, "RS256") is not None


BAD: list[dict[str, Any]] = [
    {"status": 500},
    {"status": 404},
    {"document": b"<html>"},
    {"document": published(Signer("short", bits=1024))},
    {"document": b" " * (1024 * 1024 + 1)},
    {"status": 302, "location": "http://127.0.0.1:1/"},
    {"raw": b""},
    {"raw": b"what is this\r\n\r\n"},
    {"raw": b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"},
    {"raw": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{"},
    {"raw": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n"},
    {"raw": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n"},
]


@pytest.mark.parametrize("number", range(len(BAD)))
def test_a_bad_answer_lets_nobody_in_and_throws_nobody_out(number: int) -> None:
    @on_a_loop
    async def run() -> None:
        with key_server() as server:
            door = Door(server)
            for name, value in BAD[number].items():
                setattr(server, name, value)
            with pytest.raises(AuthenticationAwayError):
                await door.admit(ONE.token())
            server.status, server.location, server.raw = 200, None, None
            server.document = published(ONE)
            door.now += REFETCH_SECONDS
            assert await door.admit(ONE.token()) == "ada"
            for name, value in BAD[number].items():
                setattr(server, name, value)
            door.now += REFRESH_SECONDS + 1
            assert await door.admit(ONE.token()) == "ada"
            await door.fetched()
            assert await door.admit(ONE.token()) == "ada"
            # Whose key it is cannot be told: that is no reason to sign in again.
            with pytest.raises(AuthenticationAwayError):
                await door.admit(TWO.token())

    run()


@on_a_loop
async def test_where_no_thread_can_be_started_keys_that_are_known_go_on_to_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(_thread: threading.Thread) -> None:
        # As Python says it, where there are as many as the system allows.
        raise RuntimeError("can't start new thread")

    with key_server() as server:
        server.document = published(ONE)
        door = Door(server)
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refused)
            with pytest.raises(AuthenticationAwayError):
                await door.admit(ONE.token())
        door.now += REFETCH_SECONDS
        assert await door.admit(ONE.token()) == "ada"
        door.now += REFRESH_SECONDS + 1
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refused)
            assert await door.admit(ONE.token()) == "ada"
        assert server.asked == 1
        door.now += REFETCH_SECONDS
        assert await door.admit(ONE.token()) == "ada"
        await door.fetched()
        assert server.asked == 2


@on_a_loop
async def test_keys_are_looked_at_again_and_one_that_is_taken_back_counts_no_more() -> None:
    with key_server() as server:
        server.document = published(ONE, TWO)
        door = Door(server)
        token = ONE.token()
        await door.admit(token)
        server.document = published(TWO)
        door.now += REFRESH_SECONDS + 1
        await door.admit(token)
        async with asyncio.timeout(30):
            # By itself, and not because somebody wants a key.
            while server.asked == 1:  # noqa: ASYNC110 - the server tells nobody
                await asyncio.sleep(0.01)
        await door.fetched()
        with pytest.raises(UnauthenticatedError, match="not known"):
            await door.admit(token)
        assert server.asked == 2


@on_a_loop
async def test_keys_that_could_not_be_looked_at_for_a_day_count_no_more() -> None:
    with key_server() as server:
        server.document = published(ONE)
        door = Door(server)
        await door.admit(ONE.token())
        server.status = 503
        door.now += STALE_SECONDS_MAX + 1
        with pytest.raises(AuthenticationAwayError):
            await door.admit(ONE.token())
