"""What the exporter complains of is told, once and with no secret, and it holds nobody up."""

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

import pytest

from scripts.local_stack import ROOT
from services.shared.span_export import _SPANS_WAITING_MAX
from tests.e2e.otlp_receiver import Received, over_grpc, over_http
from tests.e2e.processes import wait_until

Receiver = Callable[[], AbstractContextManager[Received]]

LATE = "the last ones were not taken within 3 s;"
SECRET = "s3cr3t" + "0123456789" * 3
# A process has one tracer provider: this is one of its own.
PROGRAM = """
import functools, sys
from services.shared.environment import Environment
from services.shared.logs import configure_logging
from services.shared.tracing import open_tracing, read_trace_settings
configure_logging(level="debug", style="console")
settings = read_trace_settings(Environment.of_process())
warn = functools.partial(print, flush=True)
tracing = open_tracing(settings, service="test", taskhub="default", warn=warn)
for line in sys.stdin:
    for number in range(int(line)):
        with tracing.span("one", {"number": number}):
            pass
tracing.close()
"""


def at(endpoint: str, protocol: str = "http/protobuf") -> dict[str, str]:
    """The variables for a collector."""
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}


def told_of(spans: int, variables: dict[str, str]) -> str:
    """What a process says that exports so many spans."""
    with exporting(variables) as process:
        told, _ = process.communicate(f"{spans}\n", timeout=30)
    assert process.returncode == 0, told
    return told


@contextmanager
def exporting(variables: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """A process that exports as many spans as each of its lines says, and ends with its input."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize("signal", ["", "TRACES_"])
def test_a_header_that_cannot_be_read_is_told_of_without_a_part_of_it(
    signal: str, protocol: str
) -> None:
    headers = {f"OTEL_EXPORTER_OTLP_{signal}HEADERS": f"api-key: {SECRET},x-good=1"}
    told = told_of(0, at("http://127.0.0.1:1", protocol) | headers)
    assert SECRET[:4] not in told
    assert told == (
        "a header of OTEL_EXPORTER_OTLP_HEADERS or OTEL_EXPORTER_OTLP_TRACES_HEADERS is left out:"
        " they are name=value, separated by commas\n"
    )


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_of_all_that_goes_wrong_with_a_collector_the_first_thing_is_told(protocol: str) -> None:
    # It cannot be reached, and more spans wait for it than may: two complaints, of many spans.
    told = told_of(_SPANS_WAITING_MAX + 2_000, at("http://127.0.0.1:1", protocol))
    assert told.count("\n") == 1, told
    assert f"spans for http://127.0.0.1:1 ({protocol}) are lost, everything else goes on" in told


@contextmanager
def endless_answers() -> Iterator[str]:
    """A collector whose answer never ends, though it never falls silent either."""
    is_over = threading.Event()

    def answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while not is_over.wait(0.1):
                connection.sendall(b"x")

    def serve(server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            answering.append(threading.Thread(target=answer, args=(connection,)))
            answering[-1].start()

    answering: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        serving = threading.Thread(target=serve, args=(server,))
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            is_over.set()
            server.shutdown(socket.SHUT_RDWR)
            for thread in (serving, *answering):
                thread.join()


def test_a_collector_whose_answer_never_ends_does_not_keep_a_process_from_its_end() -> None:
    with endless_answers() as endpoint:
        told = told_of(1, at(endpoint))
    assert f"are lost, everything else goes on: {LATE}" in told


@pytest.mark.parametrize(
    ("spans", "reason"),
    [(_SPANS_WAITING_MAX, LATE), (_SPANS_WAITING_MAX + 2_000, "Queue full, dropping Span.;")],
)
def test_so_many_spans_wait_for_a_collector_and_no_more(spans: int, reason: str) -> None:
    with endless_answers() as endpoint:
        told = told_of(spans, at(endpoint))
    assert f"are lost, everything else goes on: {reason}" in told


def test_what_a_collector_says_at_length_is_told_in_short() -> None:
    with over_grpc() as received:
        received.refusal = "no\n2026-01-01 all is well\n" + "x" * 5_000
        told = told_of(1, received.variables)
        received.refusal = "y" * 5_000
        too = told_of(1, received.variables)
    assert told.count("\n") == too.count("\n") == 1
    assert "no; this is said once" in told
    assert "all is well" not in told
    assert "yyy; this is said once" in too
    assert len(too) < 500


class Exporting:
    """A process that exports to a receiver, which refuses at first: that has been told."""

    def __init__(self, process: "subprocess.Popen[str]", received: Received) -> None:
        self._process = process
        received.refusal = "not now"
        self.send()
        assert process.stdout is not None
        assert "are lost" in process.stdout.readline()

    def send(self) -> None:
        """Has one more span made."""
        assert self._process.stdin is not None
        self._process.stdin.write("1\n")
        self._process.stdin.flush()

    def send_last(self) -> None:
        """Has one more made, and the process end."""
        self.send()
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(30) == 0


@pytest.mark.parametrize("receiver", [over_http, over_grpc], ids=["http", "grpc"])
def test_a_collector_that_refuses_is_not_waited_for_at_the_end(receiver: Receiver) -> None:
    with receiver() as received, exporting(received.variables) as process:
        # The next batch would go in a second.
        Exporting(process, received).send_last()
        assert (received.refused, received.spans) == (1, [])


@pytest.mark.parametrize("receiver", [over_http, over_grpc], ids=["http", "grpc"])
def test_a_collector_that_came_back_gets_the_last_spans_too(receiver: Receiver) -> None:
    with receiver() as received, exporting(received.variables) as process:
        one = Exporting(process, received)
        received.refusal = None
        one.send()
        wait_until(lambda: len(received.spans) == 1)
        # Once the second has come, the first has been answered.
        one.send()
        wait_until(lambda: len(received.spans) == 2)
        one.send_last()
        assert len(received.spans) == 3
