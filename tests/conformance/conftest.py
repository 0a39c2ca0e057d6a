"""The scheduler that the suite runs against: ours, or the one that `--endpoint` names."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Final

import pytest
from durabletask.azuremanaged.client import DurableTaskSchedulerClient

from scripts.local_stack import LocalStack
from tests.conformance.hub import Hub

HUBS: Final = tuple(f"hub-{number:03}" for number in range(100))


@pytest.fixture(scope="session")
def new_hub_name(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Names another hub: a fresh one with ours, always the same with another's."""
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


@pytest.fixture(scope="module")
def hub_name(new_hub_name: Callable[[], str]) -> str:
    """The hub that a module's tests share."""
    return new_hub_name()


@pytest.fixture
def hub(endpoint: str, hub_name: str) -> Iterator[Hub]:
    """The task hub for this test, and a client of it."""
    with DurableTaskSchedulerClient(
        host_address=endpoint.rsplit("://", maxsplit=1)[-1],
        taskhub=hub_name,
        token_credential=None,
        secure_channel=False,
    ) as client:
        yield Hub(endpoint=endpoint, name=hub_name, client=client)
