"""What is to be measured, and how much of it."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

from scripts.local_stack import ROOT

_RESULTS: Final = ROOT / "bench-results"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much of everything; the defaults are what the targets speak of."""

    # Orders of a run, and of a batch.
    orders: int = 4_000
    batch_size: int = 100
    # Orders of the large run and of the small ones that it is compared with.
    many: int = 100_000
    few: int = 1_000
    # Orders submitted one at a time.
    single: int = 400
    # Orders that nap, for each worker.
    naps: int = 800
    # Finished instances on the disk.
    instances: int = 1_000_000
    # Orders of a run that browsers look at: long beside the moment in which they turn to it.
    watched: int = 40_000
    # Orders through `submit`, for the disk that real ones take.
    submitted: int = 5_000

    @property
    def changed(self) -> dict[str, int]:
        """Those that differ from what the targets speak of."""
        usual = asdict(Sizes())
        return {name: size for name, size in asdict(self).items() if size != usual[name]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Which rows, how often, how much, and where. `directory` None is a usual one on a disk."""

    rows: tuple[str, ...]
    rounds: int
    sizes: Sizes
    directory: Path | None
    output: Path


def parse(arguments: Sequence[str], keys: Sequence[str], first: Sequence[str]) -> Options:
    """Reads the command line; `keys` are all rows, `first` those that are measured unless told.

    Exits with 2 and a message for what cannot be used.
    """
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench",
        description="Measures the targets of docs/performance.md.",
        epilog=f"rows: {', '.join(keys)}",
    )
    parser.add_argument("--full", action="store_true", help="all rows, not only the first six")
    parser.add_argument(
        "--only", action="append", choices=keys, metavar="ROW", help="this row; may be repeated"
    )
    parser.add_argument("--rounds", type=_positive, default=3, help="of runs that alternate (3)")
    parser.add_argument("--directory", type=Path, help="where temporary data goes, on a disk")
    parser.add_argument("--output", type=Path, default=_RESULTS, help="where reports go")
    sizes = parser.add_argument_group("sizes", "other than these, figures say nothing of targets")
    for field in fields(Sizes):
        flag = f"--{field.name.replace('_', '-')}"
        sizes.add_argument(flag, type=_positive, default=field.default, metavar="N")
    given = parser.parse_args(arguments)
    chosen = given.only or (keys if given.full else first)
    return Options(
        # In the table's order, once each.
        rows=tuple(key for key in keys if key in chosen),
        rounds=given.rounds,
        sizes=Sizes(**{field.name: getattr(given, field.name) for field in fields(Sizes)}),
        directory=given.directory,
        output=given.output,
    )


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)
