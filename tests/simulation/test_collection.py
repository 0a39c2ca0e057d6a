"""Nothing that is named is ever removed, and nothing that is not named stays for ever."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest

from tests.simulation.collection import run_collection
from tests.simulation.run import MEMORY

SEEDS: Final = 25
TOGETHER: Final = 5


@pytest.mark.parametrize("first", range(0, SEEDS, TOGETHER))
def test_what_is_named_stays_and_what_is_not_goes(first: int, tmp_path: Path) -> None:
    removed = 0
    for seed in range(first, first + TOGETHER):
        with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else tmp_path) as folder:
            removed += run_collection(seed, Path(folder))
    # Or nothing of it was tried.
    assert removed > TOGETHER
