"""A running stack, and the command line as a person runs it."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from scripts.local_stack import ROOT, LocalStack
from tests.e2e.keeping import Keeper, furnish
from tests.e2e.processes import Ran
from tests.e2e.schedulers import data_of

# Orders take no time, so that a test waits only for what it tests.
FAST = {"PROCESSING_MS": "0", "TRANSIENT_FAILURE_RATE": "0"}
StackMaker = Callable[..., AbstractContextManager[LocalStack]]


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


@pytest.fixture(scope="module")
def furnished(new_stack: StackMaker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory that a scheduler has left behind, with something of everything in it."""
    with new_stack(workers=0) as stack:
        furnish(stack)
        stack.stop()
        return Path(shutil.copytree(data_of(stack), tmp_path_factory.mktemp("used") / "data"))


@pytest.fixture
def keeper(
    furnished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Keeper:
    """The commands of the scheduler, for a copy of it."""
    data = Path(shutil.copytree(furnished, tmp_path / "data"))
    return Keeper(data, capsys).at(data, monkeypatch)
