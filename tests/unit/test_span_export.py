"""What the exporter complains of is told, and no secret with it."""

import subprocess
import sys

import pytest

from scripts.local_stack import ROOT

SECRET = "s3cr3t" + "0123456789" * 3
# A process has one tracer provider: this is one of its own.
PROGRAM = """
import sys
from services.shared.environment import Environment
from services.shared.tracing import open_tracing, read_trace_settings
settings = read_trace_settings(Environment.of_process())
open_tracing(settings, service="test", taskhub="default", warn=print).close()
"""


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize("signal", ["", "TRACES_"])
def test_a_header_that_cannot_be_read_is_told_of_without_a_part_of_it(
    signal: str, protocol: str
) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env={
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            f"OTEL_EXPORTER_OTLP_{signal}HEADERS": f"api-key: {SECRET},x-good=1",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    told = ran.stdout + ran.stderr
    assert SECRET[:4] not in told
    assert told == (
        "a header of OTEL_EXPORTER_OTLP_HEADERS or OTEL_EXPORTER_OTLP_TRACES_HEADERS is left out:"
        " they are name=value, separated by commas\n"
    )
