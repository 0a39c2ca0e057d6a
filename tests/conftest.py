"""What every tier shares."""

import os
import re

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from scripts.local_stack import ROOT
from tests.rooms import InRooms, rank

# Neither this machine's settings nor the `make test` around us may decide what a test sees.
_SETTINGS = re.findall(
    r"^#? ?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), flags=re.MULTILINE
)
_OF_MAKE = (
    "MAKEFLAGS",
    "MAKELEVEL",
    "MFLAGS",
    "ARGS",
    "BATCH_SIZE",
    "EMBEDDED",
    "KEEP",
    "METRICS",
    "MINUTES",
    "N",
    "ORDERS",
    "SEED",
    "TRACING",
)
# Which base image a machine has is the machine's to say.
for _name in {*_SETTINGS, *_OF_MAKE, "LOCAL", "UPGRADE", "WORKERS"} - {"PYTHON_IMAGE"}:
    os.environ.pop(_name, None)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The conformance suite's other server."""
    parser.addoption("--endpoint", help="run tests/conformance against this scheduler, not ours")
    parser.addoption("--taskhub", default="default", help="the task hub to use at --endpoint")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with what takes longest."""
    items.sort(key=lambda item: rank(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """What `pytest -n` deals out."""
    return InRooms(config, log)


@pytest.fixture(scope="session")
def in_ci() -> bool:
    """Whether a tier that cannot run is a failure."""
    return os.environ.get("CI", "").lower() in {"1", "true"}
