"""What every tier shares."""

import os
import re

import pytest

from scripts.local_stack import ROOT

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
    "N",
    "ORDERS",
    "SEED",
)
# Which base image a machine has is the machine's to say.
for _name in {*_SETTINGS, *_OF_MAKE, "LOCAL", "UPGRADE", "WORKERS"} - {"PYTHON_IMAGE"}:
    os.environ.pop(_name, None)


# What takes longest begins first, so that no process has it left when the others are done.
_FIRST = ("tests/compose/", "tests/browser/", "tests/e2e/test_poison", "tests/simulation/")
# What shares an engine, or a browser with its stack; and those two one after the other: Chromium
# breaks off what it loads whenever a network of the machine comes or goes, such as Docker's.
_TOGETHER = {"tests/compose/": "machine", "tests/browser/": "machine"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """The conformance suite's other server."""
    parser.addoption("--endpoint", help="run tests/conformance against this scheduler, not ours")
    parser.addoption("--taskhub", default="default", help="the task hub to use at --endpoint")


@pytest.hookimpl(tryfirst=True)  # xdist reads the marks in its own
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Says what stays in one process of `pytest -n`: a module, a tier, or a slow test alone."""

    def rank(item: pytest.Item) -> int:
        return next((n for n, path in enumerate(_FIRST) if path in item.nodeid), len(_FIRST))

    items.sort(key=rank)
    for item in items:
        module = item.nodeid.partition("::")[0]
        group = next((name for path, name in _TOGETHER.items() if path in module), module)
        is_alone = item.get_closest_marker("slow") is not None
        item.add_marker(pytest.mark.xdist_group(item.name if is_alone else group))


@pytest.fixture(scope="session")
def in_ci() -> bool:
    """Whether a tier that cannot run is a failure."""
    return os.environ.get("CI", "").lower() in {"1", "true"}
