"""The tier that needs Docker: without an engine it is skipped, in CI it fails."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from tests.compose.compose_stack import ComposeStack, passing_stack, run

SAID_TO_UP = {
    "TASKHUB": "orders",
    "PROCESSING_MS": "200",
    "FAILURE_RATE": "0.2",
    "TRANSIENT_FAILURE_RATE": "0",
    "WORKER_ACTIVITIES_MAX": "9",
    "WORKER_ORCHESTRATIONS_MAX": "5",
    "WORKER_GRACE_SECONDS": "20",
    "LOG_LEVEL": "debug",
    "LOG_FORMAT": "json",
    "AZURE_CLIENT_ID": "a=b $c",
}
StackMaker = Callable[..., AbstractContextManager[ComposeStack]]


def _require(*command: str, in_ci: bool) -> None:
    try:
        ran = run(*command)
    except FileNotFoundError:
        reason = "there is no docker command"
    else:
        if ran.code == 0:
            return
        reason = ran.err.strip() or "it does not answer"
    text = f"no Docker engine to test on: {reason}"
    if in_ci:
        pytest.fail(text, pytrace=False)
    pytest.skip(text)


@pytest.fixture(scope="session")
def compose_command(*, in_ci: bool) -> None:
    """`docker compose`, which needs no engine to read its files."""
    _require("docker", "compose", "version", in_ci=in_ci)


@pytest.fixture(scope="session")
def engine(compose_command: None, *, in_ci: bool) -> None:  # noqa: ARG001 - a fixture is asked for by its name
    """A Docker engine that answers."""
    _require("docker", "version", in_ci=in_ci)


@pytest.fixture(scope="session")
def new_stack(engine: None, tmp_path_factory: pytest.TempPathFactory) -> StackMaker:  # noqa: ARG001 - a fixture is asked for by its name
    """Makes another stack, which is not up yet, for a test that breaks it."""

    def make(**variables: str) -> AbstractContextManager[ComposeStack]:
        return passing_stack(tmp_path_factory.mktemp("checkout"), **variables)

    return make


@pytest.fixture(scope="package")
def stack(new_stack: StackMaker) -> Iterator[ComposeStack]:
    """The stack that this package's tests share: up, on our own scheduler, with two workers.

    What its workers were told was said to `up` alone: all that follows has to find it out.
    """
    with new_stack() as stack:
        up = stack.script("up", EMBEDDED="1", **SAID_TO_UP)
        assert up.code == 0, up.err
        assert "workers connected: 2" in up.out
        yield stack
