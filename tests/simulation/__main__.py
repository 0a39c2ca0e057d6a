"""Replays one seed and prints what happens in it."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.simulation.run import MEMORY, run_seed
from tests.simulation.violation import Violation


def main() -> int:
    """Returns 1 for a run that fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seed", type=int, nargs="?", default=1)
    parser.add_argument("--on-disk", action="store_true", help="on a disk, not in memory")
    arguments = parser.parse_args()
    place = None if arguments.on_disk or not MEMORY.is_dir() else MEMORY
    with tempfile.TemporaryDirectory(dir=place) as directory:
        try:
            run_seed(arguments.seed, Path(directory), print)
        except Violation as violation:
            sys.stderr.write(f"\n{violation}\n")
            return 1
    sys.stdout.write("all holds\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
