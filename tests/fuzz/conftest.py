"""What fuzzing needs beside the tests' own packages, and how long a property may take."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from scripts.local_stack import LocalStack
from tests.fuzz.scheduler import GUARDED, FuzzedScheduler

settings.register_profile(
    "fuzz", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.load_profile("fuzz")


def _require(name: str, *, in_ci: bool) -> None:
    if importlib.util.find_spec(name) is not None:
        return
    text = f"{name} is not installed: make .venv/.fuzz"
    if in_ci:
        pytest.fail(text, pytrace=False)
    pytest.skip(text)


@pytest.fixture
def atheris(*, in_ci: bool) -> None:
    """The fuzzer by coverage: there are wheels for Linux and macOS alone."""
    _require("atheris", in_ci=in_ci)


@pytest.fixture
def schemathesis(*, in_ci: bool) -> None:
    """What makes requests of an OpenAPI document."""
    _require("schemathesis", in_ci=in_ci)


@pytest.fixture
def fuzzed() -> Iterator[FuzzedScheduler]:
    """A scheduler in this process that lets everybody in."""
    with FuzzedScheduler() as opened:
        yield opened


@pytest.fixture
def guarded() -> Iterator[FuzzedScheduler]:
    """One that asks for tokens."""
    with FuzzedScheduler(make=GUARDED) as opened:
        yield opened


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A scheduler of its own, and its log, which may tell of no traceback in the end."""
    logs: Path = tmp_path_factory.mktemp("fuzzed")
    with LocalStack(workers=0, logs=logs, usual_ports=False) as running:
        yield running
        assert running.stopped_parts() == []
    said = (logs / "scheduler.log").read_text(errors="replace")
    assert "Traceback" not in said, said[-3_000:]
