"""Exports spans to an OpenTelemetry collector: on a thread of its own, and never in the way.

A collector that cannot be reached costs spans and one line, no time and no memory without a bound.
The SDK makes the spans; this owns where they go and what stands in each of them.
"""

import logging
import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from services.shared.tracing import TraceSettings, Warn

# A thousand orders make some five thousand spans within seconds; at about 2 KB each this many wait.
_SPANS_WAITING_MAX: Final = 16_384
_BATCH_SPANS: Final = 512
_DELAY_MS: Final = 1_000
# A collector that takes longer over a batch has other problems.
_EXPORT_SECONDS: Final = 5
# What a command or a stop waits for the last batches.
_CLOSE_SECONDS: Final = 3.0
_REASON_CHARS_MAX: Final = 200
_HTTP_PATH: Final = "/v1/traces"
# What reads headers quotes those that it cannot read, and a header is a password as a rule.
_READS_HEADERS: Final = "opentelemetry.util.re"


class SpanExport:
    """The process's tracer provider, from construction to `close`; there is one in a process."""

    def __init__(self, settings: TraceSettings, *, service: str, taskhub: str, warn: Warn) -> None:
        self._problems = _Problems(settings, warn)
        own = logging.getLogger("opentelemetry")
        # A dead collector is told of with each batch, and a full queue with each span.
        own.handlers, own.propagate = [self._problems], False
        self._provider = TracerProvider(
            resource=_resource(service, taskhub), shutdown_on_exit=False
        )
        exporter = _EXPORTERS[settings.protocol](settings.endpoint or "")
        self._provider.add_span_processor(
            BatchSpanProcessor(
                _WatchedExporter(exporter, self._problems),
                max_queue_size=_SPANS_WAITING_MAX,
                schedule_delay_millis=_DELAY_MS,
                max_export_batch_size=_BATCH_SPANS,
            )
        )
        trace.set_tracer_provider(self._provider)
        self._tracer = self._provider.get_tracer(service)

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, str | int]) -> Iterator[None]:
        """What runs inside is one span."""
        with self._tracer.start_as_current_span(name, attributes=attributes):
            yield

    def close(self) -> None:
        """Exports what is left; returns as soon as that fails, and after seconds at the latest."""
        if self._problems.lasting:
            return
        self._problems.settled.clear()

        def shut_down() -> None:
            self._provider.shutdown()
            self._problems.settled.set()

        # The provider's own bounds don't hold while an export is tried again.
        threading.Thread(target=shut_down, name="last spans", daemon=True).start()
        if not self._problems.settled.wait(_CLOSE_SECONDS):
            self._problems.tell(f"the last ones were not taken within {_CLOSE_SECONDS:g} s")


class _Problems(logging.Handler):
    """Tells the first thing that OpenTelemetry complains of, in one line, and nothing else.

    `lasting` until an export succeeds; `settled` is set by each problem, for whoever waits.
    """

    def __init__(self, settings: TraceSettings, warn: Warn) -> None:
        super().__init__(logging.WARNING)
        self._where = f"{settings.endpoint} ({settings.protocol})"
        self._warn = warn
        self._telling = threading.Lock()
        self._told = False
        self.lasting = False
        self.settled = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Tells of a problem, unless one has been told."""
        if record.name == _READS_HEADERS:
            self._warn(
                "a header of OTEL_EXPORTER_OTLP_HEADERS or OTEL_EXPORTER_OTLP_TRACES_HEADERS is"
                " left out: they are name=value, separated by commas"
            )
            return
        self.lasting = True
        self.tell(record.getMessage())
        self.settled.set()

    def tell(self, reason: str) -> None:
        """Says that spans are lost, unless it has been said."""
        with self._telling:
            if self._told:
                return
            self._told = True
        line = reason.strip().split("\n", 1)[0][:_REASON_CHARS_MAX]
        self._warn(
            f"spans for {self._where} are lost, everything else goes on: {line}; this is said once,"
            " OTEL_EXPORTER_OTLP_ENDPOINT says where they go"
        )


class _WatchedExporter(SpanExporter):
    """An exporter whose successes end a problem."""

    def __init__(self, exporter: SpanExporter, problems: _Problems) -> None:
        self._exporter = exporter
        self._problems = problems

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Sends a batch."""
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self._problems.lasting = False
        return result

    def shutdown(self) -> None:
        """Sends no more."""
        self._exporter.shutdown()


def _resource(service: str, taskhub: str) -> Resource:
    """What stands with each span; `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME` come first."""
    host = socket.gethostname()
    ours = Resource.create(
        {
            "service.namespace": "durable-task-home",
            "service.name": service,
            "service.instance.id": f"{host}:{os.getpid()}:{uuid.uuid4().hex[:8]}",
            "host.name": host,
            "process.pid": os.getpid(),
            "durabletask.taskhub": taskhub,
        }
    )
    return ours.merge(OTELResourceDetector().detect())


def _http(endpoint: str) -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - one of two
        OTLPSpanExporter,
    )

    path = "" if endpoint.endswith(_HTTP_PATH) else _HTTP_PATH
    return OTLPSpanExporter(endpoint=f"{endpoint}{path}", timeout=_EXPORT_SECONDS)


def _grpc(endpoint: str) -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415 - one of two
        OTLPSpanExporter,
    )

    return OTLPSpanExporter(endpoint=endpoint, timeout=_EXPORT_SECONDS)


_EXPORTERS: Final[Mapping[str, Callable[[str], SpanExporter]]] = {
    "http/protobuf": _http,
    "grpc": _grpc,
}
