"""`python -m tests.fuzz`: fuzzes everything for a while, and says what it came to."""

import argparse
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from tests.fuzz.blind import Tally, fuzz
from tests.fuzz.targets import TARGETS
from tests.fuzz.violation import Finding

# Targets take turns, so that a run that is ended has tried all of them.
_A_TURN_MAX: Final = 1_000
_MINUTES_MAX: Final = 1_440
_FOUND: Final = Path("fuzz-findings")


def main() -> int:
    """Runs until the time or the executions are used up; 1 when something was found."""
    options = _options()
    targets = options.target or list(TARGETS)
    tallies = {name: Tally(target=name) for name in targets}
    deadline = time.monotonic() + options.minutes * 60
    turn = 0
    while time.monotonic() < deadline and _total(tallies) < options.executions:
        for name in targets:
            # The first ones are short: so is a run of seconds.
            size = TARGETS[name][0] * min(_A_TURN_MAX, 40 * (turn + 1))
            left = max(0.1, deadline - time.monotonic())
            tally = fuzz(name, executions=size, seconds=left, seed=f"{options.seed}.{turn}")
            known = set(tallies[name].findings)
            tallies[name].add(tally)
            _tell(finding for key, finding in tally.findings.items() if key not in known)
        turn += 1
        if turn % options.every == 0:
            _print(tallies, options.seed)
    _print(tallies, options.seed)
    return 1 if any(tally.findings for tally in tallies.values()) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=_minutes, default=2.0)
    parser.add_argument("--executions", type=int, default=sys.maxsize)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--every", type=int, default=10, help="turns between two reports")
    parser.add_argument("--target", action="append", choices=list(TARGETS))
    return parser.parse_args()


def _minutes(text: str) -> float:
    minutes = float(text)
    if not 0 < minutes <= _MINUTES_MAX:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most {_MINUTES_MAX}")
    return minutes


def _total(tallies: Mapping[str, Tally]) -> int:
    return sum(tally.executions for tally in tallies.values())


def _tell(findings: Iterable[Finding]) -> None:
    for finding in findings:
        _FOUND.mkdir(exist_ok=True)
        file = _FOUND / f"{finding.target}-{finding.key}"
        file.write_bytes(finding.data)
        _say(f"found in {finding.target}: {finding.text[:2_000]}\n  the input: {file}")


def _print(tallies: Mapping[str, Tally], seed: str) -> None:
    _say(f"\n{'target':16}{'executions':>12}{'a second':>10}{'outcomes':>10}{'findings':>10}")
    for name, tally in tallies.items():
        rate = tally.executions / tally.seconds if tally.seconds else 0
        _say(
            f"{name:16}{tally.executions:>12,}{rate:>10,.0f}"
            f"{len(tally.outcomes):>10}{len(tally.findings):>10}"
        )
    found = sum(len(tally.findings) for tally in tallies.values())
    _say(f"{'all':16}{_total(tallies):>12,}{'':20}{found:>10}\nseed {seed}")


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - for whoever runs it


if __name__ == "__main__":
    sys.exit(main())
