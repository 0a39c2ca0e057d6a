"""A stack of its own on the Docker engine: a copy of the checkout, a project name, free ports."""

import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
BASE: Final = ("compose.yaml",)
EMBEDDED: Final = ("compose.yaml", "compose.embedded.yaml")

_PARTS: Final = (".dockerignore", *EMBEDDED, "deploy", "orders", "scripts", "services")
# What leads to an engine; every other variable could be a setting of the stack.
_KEPT: Final = ("PATH", "HOME", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "PYTHON_IMAGE")
_SECONDS_MAX: Final = 280.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a command came to."""

    code: int
    out: str
    err: str


def environment_with(**variables: str) -> dict[str, str]:
    """The environment of a person who has set only `variables`."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | variables


def run(*command: str, cwd: Path = ROOT, environment: dict[str, str] | None = None) -> Ran:
    """Runs a command to its end, whatever that is."""
    ran = subprocess.run(
        command,
        cwd=cwd,
        env=environment_with() if environment is None else environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS_MAX,
        check=False,
    )
    return Ran(code=ran.returncode, out=ran.stdout, err=ran.stderr)


def docker(*arguments: str) -> str:
    """What `docker` prints; it must succeed."""
    ran = run("docker", *arguments)
    assert ran.code == 0, ran.err
    return ran.out.strip()


def inspect(kind: str, name: str) -> dict[str, Any]:
    """What the engine knows about a container, an image, ..."""
    [found] = json.loads(docker(kind, "inspect", name))
    assert isinstance(found, dict)
    return found


def copy_checkout(to: Path) -> Path:
    """The files that the stack is made of, without the `.env` of whoever runs the tests."""
    unwanted = shutil.ignore_patterns("__pycache__", ".env")
    for part in _PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, to / part, ignore=unwanted)
        else:
            shutil.copy2(source, to / part)
    return to


class ComposeStack:
    """Calls `scripts/compose` of a copied checkout as a person does; `variables` are its `.env`."""

    def __init__(self, root: Path, **variables: str) -> None:
        self.root = copy_checkout(root)
        self.project = f"dth-test-{uuid.uuid4().hex[:8]}"
        ports = {"SCHEDULER_GRPC_PORT": "0", "SCHEDULER_HTTP_PORT": "0", "DASHBOARD_PORT": "0"}
        dotenv = {"COMPOSE_PROJECT_NAME": self.project} | ports | variables
        (root / ".env").write_text("".join(f"{name}={value}\n" for name, value in dotenv.items()))

    def command(self, command: str) -> tuple[str, str]:
        """The command line of `scripts/compose`."""
        return (str(self.root / "scripts" / "compose"), command)

    def script(self, command: str, /, **variables: str) -> Ran:
        """Runs `scripts/compose`, with `variables` in its environment."""
        environment = environment_with(**variables)
        return run(*self.command(command), cwd=self.root, environment=environment)

    def compose(self, *arguments: str, **variables: str) -> str:
        """What `docker compose` prints, in the checkout and without `-f`; it must succeed."""
        environment = environment_with(**variables)
        ran = run("docker", "compose", *arguments, cwd=self.root, environment=environment)
        assert ran.code == 0, ran.err
        return ran.out.strip()

    def submit(self, **variables: str) -> dict[str, Any]:
        """Submits and returns the summary; the run must complete."""
        arguments = f"--json {variables.pop('ARGS', '')}"
        ran = self.script("submit", ARGS=arguments, **variables)
        assert ran.code == 0, ran.err
        summary = json.loads(ran.out)
        assert isinstance(summary, dict)
        return summary

    def containers(self, service: str, *, stopped: bool = False) -> list[str]:
        """The ids of a service's containers, in no order."""
        label = f"label=com.docker.compose.project={self.project}"
        listed = docker(
            "ps", "--quiet", "--no-trunc", *(["--all"] if stopped else []),
            "--filter", label, "--filter", f"label=com.docker.compose.service={service}",
        )  # fmt: skip
        return listed.split()

    def wait_until_healthy(self, container: str) -> None:
        """Waits for a container's health check to pass; 60 s at the most."""
        deadline = time.monotonic() + 60
        while inspect("container", container)["State"].get("Health", {}).get("Status") != "healthy":
            assert time.monotonic() < deadline, docker("logs", "--tail", "20", container)
            time.sleep(0.2)


@contextmanager
def passing_stack(root: Path, **variables: str) -> Iterator[ComposeStack]:
    """A stack, of which nothing is left afterwards."""
    stack = ComposeStack(root, **variables)
    try:
        yield stack
    finally:
        cleaned = stack.script("clean")
        assert cleaned.code == 0, cleaned.err
