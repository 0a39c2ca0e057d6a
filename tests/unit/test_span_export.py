"""What the exporter complains of is told, once and with no secret, and it holds nobody up."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from scripts.local_stack import ROOT
from services.shared.span_export import _SPANS_WAITING_MAX

SECRET = "s3cr3t" + "0123456789" * 3
# A process has one tracer provider: this is one of its own.
PROGRAM = """
import sys
from services.shared.environment import Environment
from services.shared.logs import configure_logging
from services.shared.tracing import open_tracing, read_trace_settings
configure_logging(level="debug", style="console")
settings = read_trace_settings(Environment.of_process())
tracing = open_tracing(settings, service="test", taskhub="default", warn=print)
for number in range(int(sys.argv[1])):
    with tracing.span("one", {"number": number}):
        pass
tracing.close()
"""


def told_of(spans: int, endpoint: str, **variables: str) -> str:
    """What a process says that exports so many spans."""
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(spans)],
        cwd=ROOT,
        env={"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **variables},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return ran.stdout + ran.stderr


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize("signal", ["", "TRACES_"])
def test_a_header_that_cannot_be_read_is_told_of_without_a_part_of_it(
    signal: str, protocol: str
) -> None:
    variables = {
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        f"OTEL_EXPORTER_OTLP_{signal}HEADERS": f"api-key: {SECRET},x-good=1",
    }
    told = told_of(0, "http://127.0.0.1:1", **variables)
    assert SECRET[:4] not in told
    assert told == (
        "a header of OTEL_EXPORTER_OTLP_HEADERS or OTEL_EXPORTER_OTLP_TRACES_HEADERS is left out:"
        " they are name=value, separated by commas\n"
    )


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_of_all_that_goes_wrong_with_a_collector_the_first_thing_is_told(protocol: str) -> None:
    variables = {"OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    # It cannot be reached, and more spans wait for it than may: two complaints, of many spans.
    told = told_of(_SPANS_WAITING_MAX + 2_000, "http://127.0.0.1:1", **variables)
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
        told = told_of(1, endpoint)
    assert "are lost, everything else goes on: the last ones were not taken within 3 s;" in told
