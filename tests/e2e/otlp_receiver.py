"""A receiver of OpenTelemetry's own protocol, over gRPC or HTTP, and the spans that it got."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One span as it was sent; `parent` is empty at a trace's root."""

    trace: str
    id: str
    parent: str
    name: str
    service: str
    attributes: dict[str, str]
    resource: dict[str, str]


class Received:
    """All spans received so far. While there is a `refusal`, exports are counted and refused."""

    def __init__(self, endpoint: str, protocol: str) -> None:
        self.refusal: str | None = None
        self.refused = 0
        self.variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        }
        self._lock = threading.Lock()
        self._spans: list[Span] = []

    def add(self, request: ExportTraceServiceRequest) -> None:
        """Takes in what one export sent."""
        for group in request.resource_spans:
            resource = {one.key: one.value.string_value for one in group.resource.attributes}
            for scope in group.scope_spans:
                for sent in scope.spans:
                    attributes = {one.key: one.value.string_value for one in sent.attributes}
                    span = Span(
                        trace=sent.trace_id.hex(),
                        id=sent.span_id.hex(),
                        parent=sent.parent_span_id.hex(),
                        name=sent.name,
                        service=resource["service.name"],
                        attributes=attributes,
                        resource=resource,
                    )
                    with self._lock:
                        self._spans.append(span)

    @property
    def spans(self) -> list[Span]:
        """In the order of their arrival."""
        with self._lock:
            return list(self._spans)

    def by_name(self) -> dict[str, list[Span]]:
        """Those of each name."""
        named: dict[str, list[Span]] = defaultdict(list)
        for span in self.spans:
            named[span.name].append(span)
        return named


@contextmanager
def over_http() -> Iterator[Received]:
    """A receiver at an HTTP port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            assert self.path == "/v1/traces"
            if received.refusal is not None:
                received.refused += 1
                self.send_response(400, received.refusal)
                self.end_headers()
                return
            received.add(ExportTraceServiceRequest.FromString(body))
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_arguments: object) -> None:
            """Quietly."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        received = Received(f"http://127.0.0.1:{server.server_port}", "http/protobuf")
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        try:
            yield received
        finally:
            server.shutdown()
            serving.join()


@contextmanager
def over_grpc() -> Iterator[Received]:
    """A receiver at a gRPC port of its own."""

    class Servicer(TraceServiceServicer):
        def Export(  # noqa: N802 - the name of the call
            self, request: ExportTraceServiceRequest, context: grpc.ServicerContext
        ) -> ExportTraceServiceResponse:
            if received.refusal is not None:
                received.refused += 1
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, received.refusal)
            received.add(request)
            return ExportTraceServiceResponse()

    server = grpc.server(ThreadPoolExecutor(4))
    add_TraceServiceServicer_to_server(Servicer(), server)  # type: ignore[no-untyped-call]  # generated without types
    port = server.add_insecure_port("127.0.0.1:0")
    received = Received(f"http://127.0.0.1:{port}", "grpc")
    server.start()
    try:
        yield received
    finally:
        server.stop(None).wait()
