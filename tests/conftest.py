"""What every tier shares."""

import os

import pytest

# The machine's own settings must not decide what a test sees.
for _name in (
    "ENDPOINT",
    "TASKHUB",
    "PROCESSING_MS",
    "FAILURE_RATE",
    "TRANSIENT_FAILURE_RATE",
    "LOG_LEVEL",
    "LOG_FORMAT",
    "WORKER_STATE_FILE",
):
    os.environ.pop(_name, None)


@pytest.fixture(scope="session")
def in_ci() -> bool:
    """Whether a tier that cannot run is a failure."""
    return os.environ.get("CI", "").lower() in {"1", "true"}
