"""The same over real sockets: bytes that gRPC and HTTP themselves have to take."""

import http.client
import random
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest

from scripts.local_stack import LocalStack
from tests.fuzz.rpc_calls import NAMES, RpcCalls, taken_apart
from tests.fuzz.scheduler import WAITING
from tests.fuzz.seeds import METHODS, STREAMED
from tests.fuzz.torn import torn

SECONDS = 30.0
FORBIDDEN = {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE}
# How a connection of HTTP/2 begins.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def outcome(stack: LocalStack, name: str, message: bytes, **metadata: str) -> Any:
    """The error of a call, or None: it was answered, or waits until its time is over."""
    address = stack.endpoint.removeprefix("http://")
    pairs = tuple(({"taskhub": "default"} | metadata).items())
    with grpc.insecure_channel(address) as channel:
        make: Any = channel.unary_stream if name in STREAMED else channel.unary_unary
        waits = name in WAITING
        try:
            answer = make(f"/TaskHubSidecarService/{name}")(
                message, timeout=0.05 if waits else SECONDS, metadata=pairs
            )
            if name in STREAMED:
                list(answer)
        except grpc.RpcError as error:
            found: Any = error
            is_waiting = waits and found.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            return None if is_waiting else found
    return None


def is_healthy(stack: LocalStack) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", stack.http_port, timeout=SECONDS)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 204
    finally:
        connection.close()


def sent(port: int, data: bytes) -> bytes:
    """What a port says to some bytes, until it closes or the sender does."""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        told = b""
        try:
            while more := connection.recv(65_536):
                told += more
        except ConnectionResetError:
            pass
    return told


@pytest.mark.parametrize("method", NAMES)
def test_any_bytes_are_answered_over_a_socket(stack: LocalStack, method: str) -> None:
    dice = random.Random(method)
    calls = RpcCalls()
    seeds = [seed for seed in calls.seeds() if NAMES[seed[0]] == method]
    for number in range(8):
        _head, message = taken_apart(calls.mutate(dice.choice(seeds), dice))
        error = outcome(stack, method, torn(message, dice) if number % 2 else message)
        assert error is None or error.code() not in FORBIDDEN, error
    assert is_healthy(stack)


@pytest.mark.parametrize("hub", ["x" * 7_000, "%" * 2_500, '"' * 4_000, "a b", "../../x"])
def test_a_task_hub_of_any_name_is_refused_in_words_that_a_client_receives(
    stack: LocalStack, hub: str
) -> None:
    error = outcome(stack, "Hello", b"", taskhub=hub)
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert error.details().startswith(f"Task hub not found: {hub[:50]}")


@pytest.mark.parametrize("name", ["\U0010ffff" * 1_024, "é" * 1_024, "\x00" * 1_024])
def test_a_name_of_any_characters_is_refused_in_words_that_a_client_receives(
    stack: LocalStack, name: str
) -> None:
    request: Any = METHODS["StartInstance"](
        instanceId="n", name=name, input={"value": "x" * 1_100_000}
    )
    error = outcome(stack, "StartInstance", request.SerializeToString())
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error.details().startswith("PayloadTooLarge: the input of orchestration")


@pytest.mark.parametrize("seed", range(20))
def test_what_is_not_even_http_leaves_both_ports_as_they_were(stack: LocalStack, seed: int) -> None:
    dice = random.Random(seed)
    noise = dice.randbytes(dice.choice((0, 1, 9, 500)))
    line = (
        b"GET /v1/taskhubs?x=" + noise.replace(b"\n", b"") + b" HTTP/1.1\r\nhost: localhost\r\n\r\n"
    )
    for port in (stack.grpc_port, stack.http_port):
        for data in (noise, PREFACE + noise, torn(line, dice), line):
            told = sent(port, data)
            assert b"Traceback" not in told
            assert not told.startswith(b"HTTP/1.1 5")
    assert is_healthy(stack)
    assert outcome(stack, "Hello", b"") is None


@pytest.mark.usefixtures("schemathesis")
def test_what_the_openapi_document_allows_and_forbids_is_answered_as_it_says(
    stack: LocalStack, tmp_path: Path
) -> None:
    """Without the check that what the schema allows is taken: rules between fields are in words."""
    ran = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli", "run",
            f"http://127.0.0.1:{stack.http_port}/openapi.json",
            "--header", "x-taskhub: default", "--checks", "all",
            "--exclude-checks", "positive_data_acceptance", "--max-examples", "5", "--seed", "1",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-6_000:] + ran.stderr[-2_000:]
    assert is_healthy(stack)
