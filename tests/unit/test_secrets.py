"""Nothing secret is told: not in a log, not in an error, not in a settings problem."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from scripts.local_stack import ROOT
from services.client.settings import ClientSettings
from services.scheduler.settings import SchedulerSettings
from services.shared.environment import Environment
from services.shared.errors import SettingsError
from services.shared.secrets import without_secrets
from services.worker.settings import WorkerSettings

# Made up here, so that nothing that looks for secrets in this repository finds one.
SECRET = "s3cr3t" + "0123456789" * 3
JWT = ".".join(("eyJ" + SECRET, "eyJ" + SECRET, SECRET))
TEXTS = [
    f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={SECRET}==;EndpointSuffix=x",
    f"BlobEndpoint=https://a/;SharedAccessSignature=sv=2024-01-01&ss=b&sig={SECRET}%3D;Container=c",
    f"accountkey = {SECRET}",
    f"Endpoint=sb://a/;SharedAccessKeyName=all;SharedAccessKey={SECRET}=",
    f"SharedAccessSignature={SECRET};Container=c",
    f"GET /things/a?sv=2024-01-01&sr=b&sig={SECRET}%3D HTTP/1.1",
    f"https://person:{SECRET}@example.com/x",
    f"authorization: Bearer {SECRET}",
    f"{{'authorization': 'bearer {SECRET}'}}",
    f"Authorization: Basic {SECRET}==",
    f"grant_type=client_credentials&client_secret={SECRET}&scope=x",
    f'{{"access_token": "{SECRET}", "expires_in": 3600}}',
    f"refresh_token={SECRET}&scope=x",
    f'"id_token": "{SECRET}"',
    f"user=me password='{SECRET}'",
    f"the token {JWT} is no good",
]
PROGRAM = """
import logging, sys
from services.shared.logs import configure_logging
configure_logging(level="debug", style=sys.argv[1])
log = logging.getLogger("services.test")
for text in sys.stdin.read().split("\\x1e"):
    log.info(text)
    log.info("%s refused: %s", "Start", text)
    logging.getLogger("urllib3.connectionpool").debug("%s", text)
    logging.getLogger("msal.application").debug("%s", text)
    try:
        raise ValueError(text)
    except ValueError:
        log.exception("it failed: %s", text)
"""
LINES = """
import logging, sys
from services.shared.logs import configure_logging
configure_logging(level="info", style=sys.argv[1])
log = logging.getLogger("services.test")
log.info("%s refused: %s", "Start", sys.stdin.buffer.read().decode())
log.info("after it")
"""
BLOBS = """
import sys
from services.shared.errors import PayloadStoreError
from services.shared.logs import configure_logging
from services.shared.payload_blobs import BlobPlace
from services.shared.payload_files import PayloadMissingError
from services.shared.payload_place import _place
configure_logging(level="debug", style="console")
container = _place(sys.stdin.read())
print(container)
place = BlobPlace(container)
calls = (
    place.prepare, lambda: place.upload(b"x", "a"), lambda: place.download("blob:v1:things:a")
)
for call in calls:
    try:
        call()
    except (PayloadStoreError, PayloadMissingError) as error:
        print(error)
"""


def run(program: str, given: str, *arguments: str) -> str:
    """What a program says, on both ways."""
    ran = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        input=given,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout + ran.stderr


@pytest.mark.parametrize("text", TEXTS)
def test_a_secret_is_taken_out_of_a_text(text: str) -> None:
    told = without_secrets(text)
    assert SECRET not in told
    assert "***" in told


@pytest.mark.parametrize(
    "text",
    [
        "Orchestration instance not found: sig-1",
        "http://localhost:8080",
        "the design= of a key",
        "http://user@localhost:8080",
        "ORD-000001 Ada Lovelace a@example.com",
        "https://account.blob.core.windows.net/container",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert without_secrets(text) == text


@pytest.mark.parametrize("style", ["console", "json"])
def test_no_log_line_holds_a_secret_not_even_in_a_traceback(style: str) -> None:
    said = run(PROGRAM, "\x1e".join(TEXTS), style)
    assert SECRET not in said
    assert said.count("it failed") == len(TEXTS)
    assert said.count("ValueError") >= len(TEXTS)


def test_a_caller_cannot_write_lines_of_their_own_into_the_log() -> None:
    forged = "a\n2026-01-01 00:00:00,000 CRITICAL services: all is lost\r\x1b[2J\u2028\x85"
    first, second = run(LINES, forged, "console").splitlines()
    assert "Start refused: a\\n2026-01-01" in first
    assert first.isprintable()
    assert "after it" in second
    first, _second = run(LINES, forged, "json").splitlines()
    assert first.isprintable()
    assert json.loads(first)["message"].startswith("Start refused: a\n2026-01-01")


@pytest.mark.parametrize("service", [ClientSettings, SchedulerSettings, WorkerSettings])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PAYLOAD_STORE", f"AccountName=a;AccountKey={SECRET};Container=Bad_Name"),
        ("PAYLOAD_STORE", f"BlobEndpoint=b;SharedAccessSignature=sv=1&sig={SECRET}"),
        ("PAYLOAD_STORE", f"https://a.blob.core.windows.net/things?sv=1&sig={SECRET}"),
        # By whatever name it has there.
        ("PAYLOAD_STORE", f"https://a.blob.core.windows.net/things?sv=1&code={SECRET}"),
        ("PAYLOAD_STORE", f"https://me:{SECRET}@a.blob.core.windows.net/things"),
        ("ENDPOINT", f"https://me:{SECRET}@a.westus2.durabletask.io"),
        ("ENDPOINT", f"https://a.westus2.durabletask.io?sig={SECRET}"),
    ],
)
def test_a_setting_that_cannot_be_used_is_told_without_its_secret(
    service: type[ClientSettings | SchedulerSettings | WorkerSettings], name: str, value: str
) -> None:
    try:
        told = repr(service.read(Environment({name: value})))
    except SettingsError as error:
        told = str(error)
        is_named = name in told
    else:
        # The scheduler has no endpoint.
        is_named = True
    assert is_named
    assert SECRET not in told


def test_settings_that_hold_a_secret_do_not_show_it() -> None:
    store = f"AccountName=a;AccountKey={SECRET};EndpointSuffix=x;Container=things"
    settings = WorkerSettings.read(Environment({"PAYLOAD_STORE": store}))
    assert settings.payloads.place is not None
    assert SECRET not in f"{settings} {settings.payloads.place}"


class _Refusing(BaseHTTPRequestHandler):
    """An account that refuses everything, and says with what it was asked."""

    def _refuse(self) -> None:
        told = f"<Code>AuthenticationFailed</Code><Message>{escape(self.path)}</Message>"
        body = f'<?xml version="1.0" encoding="utf-8"?><Error>{told}</Error>'.encode()
        self.send_response(403)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = _refuse  # noqa: N815 - their base's names

    def log_message(self, *_arguments: object) -> None:
        """Nothing: its standard error is the test's."""


@contextmanager
def account() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/a"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    "proof",
    [
        f"SharedAccessSignature=sv=2024-01-01&ss=b&srt=co&sp=rwl&sig={SECRET}",
        # Keys are base64; what is signed with it is no secret, the key is.
        f"AccountName=a;AccountKey={SECRET}ab==",
    ],
)
def test_a_storage_account_that_refuses_is_told_of_without_what_was_shown_to_it(
    proof: str,
) -> None:
    with account() as endpoint:
        said = run(BLOBS, f"BlobEndpoint={endpoint};{proof};Container=things")
    assert SECRET not in said
    assert "the payload store blob container things cannot be used" in said
    # What it was asked with, as the account says it.
    assert "/a/things/a" in said


def test_no_file_of_the_repository_holds_a_key() -> None:
    """Only what is in the sources: a test's keys are made when it runs."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607 - whichever git is in use
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    marks = ("PRIVATE" + " KEY-----", "AccountKey=" + "Eby8")
    for name in filter(None, listed):
        path = Path(ROOT / name)
        if path.suffix in {".png", ".gz"} or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        assert not [mark for mark in marks if mark in text], name
