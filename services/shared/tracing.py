"""Whether spans are exported, and where to: the settings, and one way to begin and to end it.

Off unless `OTEL_EXPORTER_OTLP_ENDPOINT` is set. Then nothing of OpenTelemetry is imported, by us or
by the SDK. The other variables of OpenTelemetry (headers, samplers, resource attributes) are read
by its own SDK, which is told nothing about them here.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from services.shared.environment import Environment

if TYPE_CHECKING:
    from services.shared.span_export import SpanExport

PROTOCOLS: Final = ("http/protobuf", "grpc")
_ALLOWED: Final = (
    "http://HOST:PORT or https://HOST:PORT of an OpenTelemetry collector, such as"
    " http://localhost:4318"
)
# Read by OpenTelemetry's own SDK; named here so that each is documented and reaches containers. Not
# OTEL_RESOURCE_ATTRIBUTES: Docker's command line sets it for itself, and Compose would pass it on.
_OF_OPENTELEMETRY: Final = (
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
    "OTEL_SERVICE_NAME",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
)
_OPENTELEMETRY: Final = "opentelemetry"

Warn = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSettings:
    """Where spans go: `endpoint` is None where they go nowhere."""

    endpoint: str | None
    protocol: str


def read_trace_settings(environment: Environment) -> TraceSettings:
    """Reads the settings; bad ones are left in `environment` for its `check()`."""
    endpoint = environment.optional("OTEL_EXPORTER_OTLP_ENDPOINT")
    if endpoint is not None and not _is_usable(endpoint):
        environment.refuse("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint, _ALLOWED)
        endpoint = None
    protocol = environment.choice("OTEL_EXPORTER_OTLP_PROTOCOL", PROTOCOLS[0], choices=PROTOCOLS)
    for name in _OF_OPENTELEMETRY:
        environment.optional(name)
    return TraceSettings(
        endpoint=None if endpoint is None else endpoint.rstrip("/"), protocol=protocol
    )


def _is_usable(endpoint: str) -> bool:
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError:
        return False
    named = parts.hostname is not None and " " not in endpoint and endpoint.isprintable()
    bare = not parts.query and not parts.fragment and parts.username is None
    return parts.scheme in {"http", "https"} and named and bare and port != 0


class Tracing:
    """The spans of one process, from here to `close`. With no endpoint it does nothing."""

    def __init__(self, export: "SpanExport | None" = None) -> None:
        self._export = export

    @contextmanager
    def span(self, name: str, attributes: dict[str, str | int]) -> Iterator[None]:
        """What runs inside is one span, and the parent of the spans that it makes."""
        if self._export is None:
            yield
            return
        with self._export.span(name, attributes):
            yield

    def close(self) -> None:
        """Exports what is left, within seconds; what comes later is not exported."""
        if self._export is not None:
            self._export.close()


def leave_out_opentelemetry(settings: TraceSettings) -> None:
    """Keeps the SDK from importing OpenTelemetry, which it does wherever that is installed.

    To be called before anything imports the SDK; it does nothing where spans are exported.
    """
    if settings.endpoint is None:
        # Python's own way to say that there is no such module; the SDK does without.
        sys.modules.setdefault(_OPENTELEMETRY, None)  # type: ignore[arg-type]  # None is allowed there


def open_tracing(settings: TraceSettings, *, service: str, taskhub: str, warn: Warn) -> Tracing:
    """The tracing that the settings name, for `service`; `warn` is told once of what is lost."""
    if settings.endpoint is None:
        return Tracing()
    from services.shared.span_export import SpanExport  # noqa: PLC0415 - only where spans are exported

    return Tracing(SpanExport(settings, service=service, taskhub=taskhub, warn=warn))
