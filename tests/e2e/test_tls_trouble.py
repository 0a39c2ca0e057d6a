"""What a client is told where no TLS connection comes about."""

import asyncio
import contextlib
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.local_stack import LocalStack
from services.dashboard.errors import SchedulerAwayError
from services.dashboard.scheduler_api import connected
from tests.e2e.certificates import Certificates, made
from tests.e2e.conftest import CommandLine, StackMaker


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsStack:
    """A scheduler that speaks TLS, its certificates, and the command line beside it."""

    stack: LocalStack
    files: Certificates
    client: CommandLine


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory, new_stack: StackMaker) -> Iterator[TlsStack]:
    """A scheduler that lets in everybody, and is called by names of this machine."""
    files = made(tmp_path_factory.mktemp("tls"))
    variables = {"SCHEDULER_TLS_CERT": str(files.cert), "SCHEDULER_TLS_KEY": str(files.key)}
    with new_stack(workers=0, **variables) as stack:
        environment = stack.environment | {"ENDPOINT_CA": str(files.ca)}
        yield TlsStack(stack=stack, files=files, client=CommandLine(environment))


async def told_by_a_dashboard(endpoint: str) -> str:
    """Why a dashboard in front of this address cannot reach it."""
    async with connected(endpoint) as api:
        with pytest.raises(SchedulerAwayError) as away:
            await api.call("default", "/workers")
    return str(away.value)


# A name may stand for two addresses: one refuses the connection, and it is all that gRPC tells.
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("ca", ["another", "none"])
def test_a_certificate_that_is_not_trusted_is_said_to_be_that_in_one_line(
    tls: TlsStack, tmp_path: Path, host: str, ca: str
) -> None:
    trusted = str(made(tmp_path / "other").ca) if ca == "another" else ""
    endpoint = f"https://{host}:{tls.stack.grpc_port}"
    ran = tls.client("list", ENDPOINT=endpoint, ENDPOINT_CA=trusted)
    assert ran.code == 3
    assert len(ran.err.splitlines()) == 1
    assert "its certificate is not accepted (" in ran.err
    assert "ENDPOINT_CA names the certificates to trust" in ran.err
    assert "az login" not in ran.err


def test_a_name_that_the_certificate_has_not_is_told(
    tls: TlsStack, tmp_path: Path, new_stack: StackMaker
) -> None:
    files = made(tmp_path, "elsewhere.example.com")
    variables = {"SCHEDULER_TLS_CERT": str(files.cert), "SCHEDULER_TLS_KEY": str(files.key)}
    with new_stack(workers=0, **variables) as stack:
        endpoint = f"https://localhost:{stack.grpc_port}"
        ran = tls.client("list", ENDPOINT=endpoint, ENDPOINT_CA=str(files.ca))
    assert ran.code == 3
    assert "Hostname mismatch" in ran.err
    assert "ENDPOINT must name a host of its certificate" in ran.err


def test_who_speaks_tls_or_does_not_is_told_which_endpoint_would_be_right(
    tls: TlsStack, new_stack: StackMaker
) -> None:
    ran = tls.client("list", ENDPOINT=f"http://localhost:{tls.stack.grpc_port}")
    assert ran.code == 3
    assert ran.err.endswith("it speaks TLS; ENDPOINT must begin with https://\n")
    with new_stack(workers=0) as plain:
        ran = tls.client("list", ENDPOINT=f"https://localhost:{plain.grpc_port}")
    assert ran.code == 3
    assert ran.err.endswith("it does not speak TLS; ENDPOINT must begin with http://\n")


def test_the_port_of_http_is_told_from_that_of_grpc(tls: TlsStack, new_stack: StackMaker) -> None:
    with new_stack(workers=0) as plain:
        endpoint = f"http://localhost:{plain.http_port}"
        ran = tls.client("list", ENDPOINT=endpoint, CLIENT_CONNECT_SECONDS="1")
    assert ran.code == 3
    assert "it speaks HTTP/1, not gRPC; ENDPOINT must name its gRPC port (8080 " in ran.err
    assert "is it running?" not in ran.err


def test_where_nobody_listens_that_is_said_and_nothing_of_certificates(tls: TlsStack) -> None:
    ran = tls.client("list", ENDPOINT="https://localhost:1", CLIENT_CONNECT_SECONDS="1")
    assert ran.code == 3
    assert "connection refused; is it running?" in ran.err
    assert "certificate" not in ran.err


def test_what_grpc_says_by_itself_is_in_no_log(tls: TlsStack) -> None:
    with socket.create_connection(("127.0.0.1", tls.stack.grpc_port), timeout=10) as plain:
        plain.sendall(b"this is no handshake\r\n")
        with contextlib.suppress(ConnectionError):
            while plain.recv(1_000):
                pass
    log = Path(tls.stack.environment["SCHEDULER_DATA_DIR"]).parent / "scheduler.log"
    assert not re.search(r"^[IWE]\d{4} ", log.read_text(), re.MULTILINE)


@pytest.mark.parametrize("is_secure", [True, False])
def test_a_dashboard_with_the_wrong_scheme_tells_the_right_one(
    tls: TlsStack, new_stack: StackMaker, *, is_secure: bool
) -> None:
    with new_stack(workers=0) as plain:
        stack, right, wrong = (
            (tls.stack, "https", "http") if is_secure else (plain, "http", "https")
        )
        told = asyncio.run(told_by_a_dashboard(f"{wrong}://localhost:{stack.http_port}"))
    assert f"SCHEDULER_HTTP_ENDPOINT must begin with {right}://" in told
