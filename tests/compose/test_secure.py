"""Our own scheduler on compose, over TLS and with tokens."""

import os
import secrets
from pathlib import Path

from tests.compose.compose_stack import ComposeStack, docker
from tests.compose.conftest import StackMaker
from tests.e2e.certificates import made

SERVICES = ("scheduler", "worker", "client", "dashboard")
SETTINGS = {
    "SCHEDULER_TLS_CERT": "/secrets/cert.pem",
    "SCHEDULER_TLS_KEY": "/secrets/key.pem",
    "SCHEDULER_AUTH": "token",
    "SCHEDULER_TOKEN_FILE": "/secrets/tokens",
    "SCHEDULER_ALLOW_INSECURE": "0",
    "ENDPOINT": "https://scheduler:8080",
    "ENDPOINT_CA": "/secrets/ca.pem",
    "ENDPOINT_TOKEN_FILE": "/secrets/token",
}


def furnish(stack: ComposeStack) -> None:
    """Certificates and tokens, for the containers' user alone, and how they get there."""
    folder = stack.root / "secrets"
    made(folder, "scheduler", "localhost")
    token = secrets.token_urlsafe(32)
    for name, text in {"token": token, "tokens": f"all contributor default {token}\n"}.items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(text)
    image = os.environ.get("PYTHON_IMAGE", "python:3.13-slim")
    mount = f"{folder}:/secrets"
    docker("run", "--rm", "--volume", mount, image, "chown", "-R", "10001:10001", "/secrets")
    mounts = "".join(f'  {name}: {{volumes: ["./secrets:/secrets:ro"]}}\n' for name in SERVICES)
    (stack.root / "compose.override.yaml").write_text(f"services:\n{mounts}")


def test_a_stack_with_tls_and_tokens_is_up_and_does_its_orders(new_stack: StackMaker) -> None:
    with new_stack(**SETTINGS) as stack:
        furnish(stack)
        # It ends when every health check passes: the scheduler's over TLS, without a token.
        up = stack.script("up", EMBEDDED="1")
        assert up.code == 0, up.err
        assert "scheduler: https://scheduler:8080" in up.out
        assert "from this machine  https://localhost:" in up.out
        assert stack.submit()["orders"] == 100
        [scheduler] = stack.containers("scheduler")
        said = docker("logs", scheduler)
        assert "WARNING" not in said
        assert str(Path("/secrets")) not in said
