import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from services.shared.connection import Connection
from services.shared.sdk import credential_for
from tests.azure.stand_in import CLIENT, ENDPOINT

SCOPE = "https://durabletask.io/.default"


class TokenService(ThreadingHTTPServer):
    """What Container Apps puts beside a container: tokens for the identity that is asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[dict[str, list[str]]] = []


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, TokenService)
        self.server.asked.append(parse_qs(urlsplit(self.path).query))
        allowed = self.headers.get("X-IDENTITY-HEADER") == "secret"
        body = json.dumps({"access_token": "t", "expires_on": "4102444800", "token_type": "Bearer"})
        self.send_response(200 if allowed else 401)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its base's signature
        """Nothing."""


@contextmanager
def token_service() -> Iterator[TokenService]:
    with TokenService() as service:
        thread = threading.Thread(target=service.serve_forever)
        thread.start()
        try:
            yield service
        finally:
            service.shutdown()
            thread.join()


def test_a_worker_on_container_apps_signs_in_as_its_managed_identity(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection = Connection(
        endpoint=ENDPOINT, address=ENDPOINT.removeprefix("https://"), secure=True, taskhub="default"
    )
    with token_service() as service:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{service.server_port}/token")
        monkeypatch.setenv("IDENTITY_HEADER", "secret")
        # As deploy/azure/worker.bicep sets them.
        monkeypatch.setenv("AZURE_CLIENT_ID", CLIENT)
        monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
        credential = credential_for(connection)
        assert credential is not None
        assert credential.get_token(SCOPE).token == "t"  # noqa: S105 - no secret
    [asked] = service.asked
    assert asked["client_id"] == [CLIENT]
    assert asked["resource"] == ["https://durabletask.io"]
