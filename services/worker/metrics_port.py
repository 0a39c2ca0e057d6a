"""The port on which a worker's metrics are read: `GET /metrics`, and nothing else."""

import logging
import socket
import socketserver
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from services.shared.errors import BadSetting, SettingsError

log = logging.getLogger(__name__)

# A scraper asks and reads at once; whoever only connects is cut off, and holds no thread.
_SECONDS_MAX: Final = 5.0
_CONNECTIONS_MAX: Final = 16
_METHODS: Final = frozenset({"GET", "HEAD"})

_Start = Callable[[str, list[tuple[str, str]]], Any]


def serve_metrics(registry: CollectorRegistry, host: str, port: int) -> int:
    """Serves from now to the process's end, on a thread; returns the port.

    Raises `SettingsError` where the port cannot be taken.
    """

    def answer(request: dict[str, Any], start: _Start) -> Iterable[bytes]:
        if request["PATH_INFO"] != "/metrics":
            return _refuse(start, "404 Not Found", "there is only /metrics")
        if request["REQUEST_METHOD"] not in _METHODS:
            return _refuse(start, "405 Method Not Allowed", "only GET is possible here")
        text = generate_latest(registry)
        start("200 OK", [("Content-Type", CONTENT_TYPE_LATEST), ("Content-Length", str(len(text)))])
        return [text]

    kind = _Server6 if ":" in host else _Server
    try:
        server = make_server(host, port, answer, server_class=kind, handler_class=_Handler)
    except OSError as error:
        problem = BadSetting(
            name="WORKER_METRICS_PORT",
            value=str(port),
            allowed=f"a port that is free on {host} ({error.strerror}); 0 takes any free one",
        )
        raise SettingsError((problem,)) from error
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    taken: int = server.server_address[1]
    address = f"[{host}]:{taken}" if ":" in host else f"{host}:{taken}"
    log.info("metrics on http://%s/metrics", address)
    return taken


def _refuse(start: _Start, status: str, text: str) -> Iterable[bytes]:
    body = f"{text}\n".encode()
    start(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    """A thread for each connection, and a bound on how many there are."""

    daemon_threads = True
    # Of five, as it is otherwise, a crowd makes each one that comes wait for seconds.
    request_queue_size = 128
    # Another worker on the same port would hide this one.
    allow_reuse_port = False

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - its base's signature
        self._room = threading.BoundedSemaphore(_CONNECTIONS_MAX)
        super().__init__(*arguments, **options)

    def server_bind(self) -> None:
        """Takes the port, without asking a name server who we are."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.server_address[1]
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - its base's signature
        """Hands a connection to a thread, or closes it where there are too many."""
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - its base's signature
        """Answers, and makes room for another."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002 - its base's signature
        """A scraper that went away is nothing to tell of at length."""
        log.debug("metrics: the scraper at %s went away", client_address)


class _Server6(_Server):
    """The same on an IPv6 address."""

    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    """Quiet, and not patient."""

    timeout = _SECONDS_MAX

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its base's signature
        """One line a scrape would drown everything else."""
