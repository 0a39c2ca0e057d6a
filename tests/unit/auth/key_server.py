"""A server of signing keys, and what it is made to do wrong."""

import ssl
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class KeyServer(ThreadingHTTPServer):
    """Answers every GET with `document`; counts them, and holds them back where told to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.document = b""
        self.status = 200
        self.location: str | None = None
        # In the place of a whole answer, as it is.
        self.raw: bytes | None = None
        self.asked = 0
        # Seconds between two bytes of the document.
        self.pause = 0.0
        self.answers = threading.Event()
        self.answers.set()
        self._scheme = "http"

    @property
    def url(self) -> str:
        """Where the keys are."""
        return f"{self._scheme}://127.0.0.1:{self.server_port}/keys"

    def encrypt(self, cert: Path, key: Path, oldest: ssl.TLSVersion | None = None) -> None:
        """Speaks TLS from now on; with `oldest` also versions that nobody should speak."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        if oldest is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                context.minimum_version = oldest
            context.set_ciphers("ALL:@SECLEVEL=0")
        # The handshake is its thread's: one that fails must not end the server.
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )
        self._scheme = "https"

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing: who does not trust it hangs up."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, KeyServer)
        server.asked += 1
        server.answers.wait(30)
        if server.raw is not None:
            self.wfile.write(server.raw)
            self.close_connection = True
            return
        self.send_response(server.status)
        if server.location is not None:
            self.send_header("Location", server.location)
        self.send_header("Content-Length", str(len(server.document)))
        self.end_headers()
        try:
            size = 1 if server.pause else max(1, len(server.document))
            for start in range(0, len(server.document), size):
                self.wfile.write(server.document[start : start + size])
                self.wfile.flush()
                threading.Event().wait(server.pause)
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Says nothing."""


@contextmanager
def key_server() -> Iterator[KeyServer]:
    """A server for a block."""
    server = KeyServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.answers.set()
        server.shutdown()
        thread.join()
        server.server_close()
