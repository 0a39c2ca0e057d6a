"""A cloud for each test."""

from pathlib import Path

import pytest

from tests.azure.cloud import Cloud


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    """A subscription with nothing in it, and somebody who is signed in to it."""
    folder = tmp_path / "cloud"
    folder.mkdir()
    return Cloud(folder)
