import multiprocessing
import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest

from tests.simulation.run import MEMORY, run_seed
from tests.simulation.violation import Violation

SEEDS_IN_CI: Final = 2_000
SEEDS: Final = 200
SEEDS_ON_DISK: Final = 20
PROCESSES: Final = 2
A_CHUNK: Final = 20


def broken(seed: int, place: Path) -> str | None:
    with TemporaryDirectory(dir=place) as directory:
        try:
            run_seed(seed, Path(directory))
        except Violation as violation:
            return str(violation)
    return None


def all_broken(seeds: Iterable[int], place: Path) -> list[str]:
    """What went wrong; every process starts anew, so that no run inherits another's threads."""
    seeds = list(seeds)
    context = multiprocessing.get_context("spawn")
    # Politely: a simulation has its own clock, and tests that run beside it have the real one.
    with ProcessPoolExecutor(PROCESSES, context, initializer=os.nice, initargs=(10,)) as pool:
        found = pool.map(broken, seeds, [place] * len(seeds), chunksize=A_CHUNK)
        return [text for text in found if text is not None]


def report(violations: list[str]) -> str:
    return f"{len(violations)} runs failed; the first one:\n{violations[0]}"


@pytest.mark.timeout(900)
def test_every_promise_survives_what_a_seed_does_to_the_scheduler(
    tmp_path: Path, *, in_ci: bool
) -> None:
    place = MEMORY if MEMORY.is_dir() else tmp_path
    violations = all_broken(range(SEEDS_IN_CI if in_ci else SEEDS), place)
    assert not violations, report(violations)


def test_every_promise_survives_on_a_disk_too(tmp_path: Path) -> None:
    violations = all_broken(range(SEEDS_ON_DISK), tmp_path)
    assert not violations, report(violations)


def test_a_seed_gives_the_same_run_again(tmp_path: Path) -> None:
    (tmp_path / "once").mkdir()
    (tmp_path / "again").mkdir()
    once, again = run_seed(7, tmp_path / "once"), run_seed(7, tmp_path / "again")
    assert len(once) > 50
    assert once == again
