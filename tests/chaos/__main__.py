"""`python -m tests.chaos [--seed 1] [--minutes 2] [--keep FOLDER]`: one run, and its table.

Exit code 0 for books without a mistake, 1 for others, 3 where this machine cannot isolate it.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from scripts.local_stack import ROOT
from tests.chaos.namespaces import bring_up_loopback, isolated, why_not

_MINUTES_MAX: Final = 24 * 60


def _minutes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= _MINUTES_MAX:
        raise argparse.ArgumentTypeError(
            f"must be a number above 0 and at most {_MINUTES_MAX} (got {text!r})"
        )
    return value


def main() -> int:
    """Runs itself again, isolated, and there one run."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same schedule")
    parser.add_argument("--minutes", type=_minutes, default=2.0, help="how long faults go on")
    parser.add_argument("--folder", type=Path, help="where logs and data go, and stay")
    parser.add_argument("--isolated", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.isolated:
        return _run(options)
    reason = why_not()
    if reason is not None:
        print(
            "chaos needs Linux namespaces, iptables, and root or a kernel that allows"
            f" user namespaces: {reason}",
            file=sys.stderr,
        )
        return 3
    os.chdir(ROOT)
    command = isolated("tests.chaos", "--isolated", *sys.argv[1:])
    return subprocess.run(command, check=False).returncode


def _run(options: argparse.Namespace) -> int:
    from tests.chaos.run import run  # noqa: PLC0415 - gRPC must not be loaded before the network is there

    bring_up_loopback()
    with tempfile.TemporaryDirectory(prefix="chaos-") as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        report = run(options.seed, options.minutes, folder, lambda text: print(text, flush=True))
        print("\n".join(report.lines()), flush=True)
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
