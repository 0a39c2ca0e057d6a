"""A running stack, and the command line as a person runs it."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scripts.local_stack import ROOT, LocalStack

# Orders take no time, so that a test waits only for what it tests.
FAST = {"PROCESSING_MS": "0", "TRANSIENT_FAILURE_RATE": "0"}
StackMaker = Callable[..., AbstractContextManager[LocalStack]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output, which must be one JSON document and nothing else."""
        return json.loads(self.out)


class CommandLine:
    """Runs `python -m services.client` against a stack."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def __call__(self, *arguments: object, **variables: str) -> Ran:
        """Runs a command to its end; no error of it may be a traceback."""
        ran = subprocess.run(
            self.command(*arguments),
            cwd=ROOT,
            env=self.environment | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in ran.stderr, ran.stderr
        return Ran(code=ran.returncode, out=ran.stdout, err=ran.stderr)

    @staticmethod
    def command(*arguments: object) -> list[str]:
        """The command with its arguments."""
        return [sys.executable, "-m", "services.client", *map(str, arguments)]


@pytest.fixture(scope="session")
def new_stack(tmp_path_factory: pytest.TempPathFactory) -> StackMaker:
    """Starts another stack, for a test that breaks it or needs other settings."""

    @contextmanager
    def start(*, workers: int = 1, **variables: str) -> Iterator[LocalStack]:
        logs = tmp_path_factory.mktemp("stack")
        stack = LocalStack(
            workers=workers, logs=logs, environment=FAST | variables, usual_ports=False
        )
        with stack:
            yield stack

    return start


@pytest.fixture(scope="session")
def stack(new_stack: StackMaker) -> Iterator[LocalStack]:
    """The stack that tests share: every test submits orders of its own."""
    with new_stack(workers=2) as stack:
        yield stack


@pytest.fixture(scope="session")
def client(stack: LocalStack) -> CommandLine:
    """The command line against the shared stack."""
    return CommandLine(stack.environment)


@pytest.fixture
def orders_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file of generated orders; every name makes other orders."""

    def write(name: str, count: int = 20) -> Path:
        path = tmp_path / f"{name}.csv"
        rows = [f"{name}-{n},Ada,book,{n % 5 + 1},{n}.25,EUR" for n in range(1, count + 1)]
        path.write_text("order_id,customer,sku,quantity,unit_price,currency\n" + "\n".join(rows))
        return path

    return write
