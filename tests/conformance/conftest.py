"""The scheduler that the suite runs against: ours, or the one that `--endpoint` names."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Final

import pytest
from durabletask.azuremanaged.client import DurableTaskSchedulerClient

from scripts.local_stack import LocalStack
from tests.conformance.hub import Hub

HUBS: Final = tuple(f"hub-{number:03}" for number in range(400))


@pytest.fixture(scope="session")
def new_hub_name(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Names the hub of the next test: its own with ours, a shared one with another's."""
    if request.config.getoption("--endpoint"):
        return lambda: str(request.config.getoption("--taskhub"))
    numbers = count()
    return lambda: HUBS[next(numbers)]


@pytest.fixture(scope="session")
def endpoint(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Where the scheduler under test listens."""
    named = request.config.getoption("--endpoint")
    if named:
        yield str(named)
        return
    variables = {"DTS_TASK_HUB_NAMES": ",".join(HUBS)}
    logs = tmp_path_factory.mktemp("conformance")
    with LocalStack(workers=0, logs=logs, environment=variables, usual_ports=False) as stack:
        yield stack.endpoint


@pytest.fixture
def hub(endpoint: str, new_hub_name: Callable[[], str]) -> Iterator[Hub]:
    """A task hub for this test."""
    name = new_hub_name()
    with DurableTaskSchedulerClient(
        host_address=endpoint.rsplit("://", maxsplit=1)[-1],
        taskhub=name,
        token_credential=None,
        secure_channel=False,
    ) as client:
        yield Hub(endpoint=endpoint, name=name, client=client)
