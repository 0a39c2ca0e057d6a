"""The whole stack over TLS with tokens: our own programs, the dashboard, and the SDK by itself."""

import contextlib
import json
import os
import secrets
import socket
import ssl
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives import serialization

from scripts.local_stack import ROOT, LocalStack
from tests.e2e.certificates import Certificates, made
from tests.e2e.conftest import CommandLine, StackMaker
from tests.e2e.processes import wait_until
from tests.e2e.schedulers import run_scheduler
from tests.unit.auth.key_server import key_server
from tests.unit.auth.signers import ISSUER, Signer, published

WORKERS, READER, OTHER = (secrets.token_urlsafe(32) for _ in range(3))


@dataclass(frozen=True, slots=True, kw_only=True)
class SecureStack:
    """A stack, whose certificates it has, and where its tokens are."""

    stack: LocalStack
    files: Certificates
    folder: Path

    def ask(self, path: str, token: str | None = None) -> httpx.Response:
        """What the scheduler's HTTP port answers."""
        headers = {"x-taskhub": "default"}
        headers |= {} if token is None else {"authorization": f"Bearer {token}"}
        trust = ssl.create_default_context(cafile=str(self.files.ca))
        with httpx.Client(verify=trust, trust_env=False) as client:
            address = f"https://127.0.0.1:{self.stack.http_port}{path}"
            return client.get(address, headers=headers)


def token_file(folder: Path) -> Path:
    path = folder / "tokens"
    path.touch(mode=0o600)
    path.write_text(
        f"workers contributor default {WORKERS}\n"
        f"reader reader default {READER}\n"
        f"other contributor other {OTHER}\n"
    )
    return path


@pytest.fixture(scope="module")
def secure(
    tmp_path_factory: pytest.TempPathFactory, new_stack: StackMaker
) -> Iterator[SecureStack]:
    """A stack in which everything is encrypted, and nobody is let in without a token."""
    folder = tmp_path_factory.mktemp("secure")
    files = made(folder)
    mine = folder / "token"
    mine.write_text(f"{WORKERS}\n")
    with new_stack(
        workers=1,
        SCHEDULER_TLS_CERT=str(files.cert),
        SCHEDULER_TLS_KEY=str(files.key),
        SCHEDULER_AUTH="token",
        SCHEDULER_TOKEN_FILE=str(token_file(folder)),
        ENDPOINT_CA=str(files.ca),
        ENDPOINT_TOKEN_FILE=str(mine),
    ) as stack:
        stack.start_dashboard()
        yield SecureStack(stack=stack, files=files, folder=folder)


def test_orders_go_through_over_tls_with_a_token_and_without_azure(
    secure: SecureStack, orders_file: Callable[..., Path]
) -> None:
    assert secure.stack.endpoint.startswith("https://")
    ran = CommandLine(secure.stack.environment)("submit", orders_file("secure"), "--json")
    assert ran.code == 0, ran.err
    assert ran.document["orders"] == 20


def test_the_same_orders_with_the_token_in_a_variable(
    secure: SecureStack, orders_file: Callable[..., Path]
) -> None:
    client = CommandLine(secure.stack.environment)
    variables = {"ENDPOINT_TOKEN": WORKERS, "ENDPOINT_TOKEN_FILE": ""}
    assert client("submit", orders_file("variable", 5), **variables).code == 0


@pytest.mark.parametrize(
    ("token", "text"),
    [
        ("", "ENDPOINT_TOKEN or ENDPOINT_TOKEN_FILE must give a token that it knows"),
        ("x" * 40, "ENDPOINT_TOKEN or ENDPOINT_TOKEN_FILE must give a token that it knows"),
        (READER, "the token needs the role contributor"),
        (OTHER, "the token needs the role contributor in this task hub"),
    ],
    ids=["none", "unknown", "reader", "of another hub"],
)
def test_a_client_that_is_not_let_in_is_told_what_to_do_and_never_its_token(
    secure: SecureStack, orders_file: Callable[..., Path], token: str, text: str
) -> None:
    client = CommandLine(secure.stack.environment)
    variables = {"ENDPOINT_TOKEN": token, "ENDPOINT_TOKEN_FILE": ""}
    ran = client("submit", orders_file("refused", 5), **variables)
    assert ran.code != 0
    assert text in " ".join(ran.err.split())
    assert not token or token not in ran.err + ran.out


def test_neither_port_speaks_without_tls(secure: SecureStack) -> None:
    for port in (secure.stack.http_port, secure.stack.grpc_port):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
            plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = b""
            with contextlib.suppress(ConnectionError):
                while more := plain.recv(1_000):
                    answer += more
        assert b"HTTP/1.1 204" not in answer


def version_spoken(port: int, ca: Path, newest: ssl.TLSVersion) -> str | None:
    """What a port agrees on with who speaks nothing newer; raises `ssl.SSLError`."""
    context = ssl.create_default_context(cafile=str(ca))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1_1
        context.maximum_version = newest
    # Otherwise it is this side that has no cipher for it.
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as spoken,
    ):
        return spoken.version()


def test_old_versions_of_tls_are_refused(secure: SecureStack) -> None:
    ca = secure.files.ca
    # Who asks can speak it, or all of this would prove nothing.
    with key_server() as lenient:
        lenient.encrypt(secure.files.cert, secure.files.key, oldest=ssl.TLSVersion.TLSv1_1)
        assert version_spoken(lenient.server_port, ca, ssl.TLSVersion.TLSv1_1) == "TLSv1.1"
    for port in (secure.stack.http_port, secure.stack.grpc_port):
        with pytest.raises(ssl.SSLError):
            version_spoken(port, ca, ssl.TLSVersion.TLSv1_1)
        assert version_spoken(port, ca, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
        assert version_spoken(port, ca, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"


def test_the_schedulers_own_health_check_needs_neither_an_authority_nor_a_token(
    secure: SecureStack,
) -> None:
    def probed(**variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "services.scheduler.probe"],
            cwd=ROOT,
            env=secure.stack.environment | variables,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    assert (probed().returncode, probed().stdout) == (0, "/healthz answers 204\n")
    # Somebody else on the port, with a certificate of their own, is no healthy scheduler.
    other = made(secure.folder / "other")
    ran = probed(SCHEDULER_TLS_CERT=str(other.cert), SCHEDULER_TLS_KEY=str(other.key))
    assert ran.returncode == 1
    assert "no answer" in ran.stdout


def test_the_http_port_lets_in_whom_the_file_knows(secure: SecureStack) -> None:
    path = "/v1/taskhubs/workers"
    assert secure.ask(path).status_code == 401
    assert secure.ask(path, OTHER).status_code == 403
    for token in (READER, WORKERS):
        assert len(secure.ask(path, token).json()["workers"]) == 1


def test_the_dashboard_asks_with_its_token(secure: SecureStack) -> None:
    with httpx.Client(trust_env=False, base_url=secure.stack.dashboard) as browser:
        assert browser.get("/hubs/default/orchestrations").status_code == 200
        assert len(browser.get("/hubs/default/api/workers").json()["workers"]) == 1
        # Its own token goes to the scheduler and to nobody else.
        page = browser.get("/hubs/default/workers")
        assert WORKERS not in page.text + str(page.headers)
        mine = secure.folder / "token"
        mine.write_text("x" * 40)
        refused = browser.get("/hubs/default/api/workers")
        assert refused.status_code == 502
        assert "does not let the dashboard in" in refused.json()["error"]["message"]
        assert "x" * 40 not in refused.text
        mine.write_text(WORKERS)
        assert browser.get("/hubs/default/api/workers").status_code == 200


def test_no_log_holds_a_token(secure: SecureStack) -> None:
    logs = [
        log.read_text()
        for log in Path(secure.stack.environment["SCHEDULER_DATA_DIR"]).parent.glob("*.log")
    ]
    assert len(logs) == 3
    assert not any(token in log for token in (WORKERS, READER, OTHER) for log in logs)


def test_the_sdk_by_itself_goes_on_through_the_end_of_its_tokens(
    tmp_path: Path, new_stack: StackMaker
) -> None:
    files = made(tmp_path)
    signer = Signer("one")
    key = tmp_path / "signing.pem"
    key.touch(mode=0o600)
    key.write_bytes(
        signer.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    (tmp_path / "jwks.json").write_bytes(published(signer))
    with new_stack(
        workers=0,
        SCHEDULER_TLS_CERT=str(files.cert),
        SCHEDULER_TLS_KEY=str(files.key),
        SCHEDULER_AUTH="jwt",
        SCHEDULER_JWT_JWKS=str(tmp_path / "jwks.json"),
        SCHEDULER_JWT_ISSUER=ISSUER,
        SCHEDULER_JWT_LEEWAY_SECONDS="0",
    ) as stack:
        ran = subprocess.run(
            [sys.executable, "-m", "tests.e2e.secure_program", stack.endpoint, key, "2"],
            cwd=ROOT,
            env=os.environ | {"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(files.ca)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr + stack.log_tails()
        document = json.loads(ran.stdout)
        assert document["output"] == [2, 4]
        assert document["seen"] == "COMPLETED"
        assert document["scopes"] == ["https://durabletask.io/.default"]
        assert document["tokens"] > 3
        # Its stream ended with its token, and it came back with another one.
        log = Path(stack.environment["SCHEDULER_DATA_DIR"]).parent / "scheduler.log"
        assert log.read_text().count(" connected") >= 2
        assert "GetWorkItems refused: The token has expired" in log.read_text()
        wait_until(lambda: "Traceback" not in log.read_text())


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("SCHEDULER_TLS_CERT", None, "SCHEDULER_TLS_CERT: {file} cannot be read"),
        ("SCHEDULER_TLS_KEY", None, "SCHEDULER_TLS_KEY: {file} cannot be read"),
        ("SCHEDULER_TLS_CERT", "x", "SCHEDULER_TLS_CERT: {file} holds no certificate in PEM"),
        ("SCHEDULER_TLS_KEY", "x", "SCHEDULER_TLS_KEY: {file} holds no private key in PEM"),
        ("SCHEDULER_TLS_KEY", "other", "SCHEDULER_TLS_KEY: {file} is not the key of"),
        ("SCHEDULER_TLS_KEY", "locked", "SCHEDULER_TLS_KEY: {file} holds no private key in PEM"),
        ("SCHEDULER_TLS_KEY", "open", "SCHEDULER_TLS_KEY: {file} is open to everybody"),
    ],
)
def test_files_that_make_no_tls_keep_it_from_starting_and_the_setting_is_named(
    tmp_path: Path, name: str, content: str | None, text: str
) -> None:
    files = made(tmp_path)
    file = tmp_path / "bad.pem"
    signer = Signer("other")
    if content is not None:
        file.touch(mode=0o600)
    if content in {"other", "locked"}:
        lock = serialization.BestAvailableEncryption(b"secret")
        file.write_bytes(
            signer.private.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                lock if content == "locked" else serialization.NoEncryption(),
            )
        )
    elif content == "open":
        file.write_bytes(files.key.read_bytes())
        file.chmod(0o644)
    elif content is not None:
        file.write_text(content)
    variables = {"SCHEDULER_TLS_CERT": str(files.cert), "SCHEDULER_TLS_KEY": str(files.key)}
    ran = run_scheduler(tmp_path / "data", **(variables | {name: str(file)}))
    assert ran.returncode == 2
    assert text.format(file=file) in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "data").exists()


def test_other_machines_are_let_in_only_where_somebody_has_meant_it(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "::", "tasks.example.com"):  # noqa: S104 - what is refused
        ran = run_scheduler(tmp_path / "data", SCHEDULER_HOST=host)
        assert ran.returncode == 2
        assert f"SCHEDULER_HOST={host!r}: whoever reaches this address" in ran.stderr
        assert "SCHEDULER_ALLOW_INSECURE=1" in ran.stderr
    assert not (tmp_path / "data").exists()


def test_a_network_that_is_private_is_named_in_the_log(new_stack: StackMaker) -> None:
    with new_stack(
        workers=0,
        SCHEDULER_HOST="0.0.0.0",  # noqa: S104 - for this test
        SCHEDULER_ALLOW_INSECURE="1",
        DASHBOARD_HOST="0.0.0.0",  # noqa: S104 - for this test
        DASHBOARD_ALLOW_INSECURE="1",
    ) as stack:
        stack.start_dashboard()
        for part in ("scheduler", "dashboard"):
            told = stack.log_tail(part)
            assert "whoever reaches 0.0.0.0 may change everything" in told
            assert f"{part.upper()}_ALLOW_INSECURE=1): this network must be private" in told


def test_on_this_machine_alone_nothing_is_warned_of(new_stack: StackMaker) -> None:
    with new_stack(workers=0) as stack:
        stack.start_dashboard()
        assert "WARNING" not in stack.log_tails()


def test_tokens_and_a_dashboard_that_others_can_reach_are_warned_of(
    tmp_path: Path, new_stack: StackMaker
) -> None:
    token = token_file(tmp_path)
    with new_stack(
        workers=0,
        SCHEDULER_HOST="0.0.0.0",  # noqa: S104 - for this test
        SCHEDULER_AUTH="token",
        SCHEDULER_TOKEN_FILE=str(token),
        ENDPOINT_TOKEN=READER,
        DASHBOARD_HOST="0.0.0.0",  # noqa: S104 - for this test
        DASHBOARD_ALLOW_INSECURE="1",
    ) as stack:
        assert "tokens travel in the clear: set SCHEDULER_TLS_CERT" in stack.log_tail("scheduler")
        stack.start_dashboard()
        told = stack.log_tail("dashboard")
        assert "may do what the dashboard's token may" in told
        assert READER not in told
        # A reader's token makes a dashboard that changes nothing.
        with httpx.Client(trust_env=False, base_url=stack.dashboard) as browser:
            started = browser.post("/hubs/default/api/orchestrations", json={"name": "echo"})
            assert started.status_code == 403
            assert "reader may not change" in started.json()["error"]["message"]
