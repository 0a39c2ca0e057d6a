"""What the three commands share: options, exit codes, and what is said when one is stopped."""

import argparse
import sys
from collections.abc import Callable
from typing import Final

from scripts.azure.cli import Az, DryRun, catch_stop_signals
from scripts.azure.errors import AzureError, InputError

FAILED: Final = 1
BAD_USAGE: Final = 2
NOT_THERE: Final = 3
INTERRUPTED: Final = 130


def parser_of(program: str, description: str | None) -> argparse.ArgumentParser:
    """A parser with the options that name a scheduler."""
    parser = argparse.ArgumentParser(
        prog=f"scripts/{program}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("-g", "--resource-group", required=True, help="the resource group")
    parser.add_argument("--subscription", help="its id or name; else the one az has chosen")
    parser.add_argument(
        "--timeout", default="1800", metavar="SECONDS", help="for one step of az (1800)"
    )
    return parser


def carried_out(
    options: argparse.Namespace,
    seconds: float,
    work: Callable[[Az], int],
    *,
    again: str,
) -> int:
    """Runs `work` with the `az` that the options ask for; returns the exit code.

    What ends it too soon is told with what exists now and how to go on: `again` says how.
    """
    kind = DryRun if options.dry_run else Az
    az = kind(subscription=options.subscription, change_seconds=seconds)
    catch_stop_signals()
    try:
        return work(az)
    except KeyboardInterrupt:
        print(f"\nInterrupted{f' while: {az.under_way}' if az.under_way else ''}.", file=sys.stderr)
        _tell_state(az, again)
        return INTERRUPTED
    except AzureError as error:
        print(f"\n{error}", file=sys.stderr)
        _tell_state(az, again)
        return FAILED


def refused(error: InputError) -> int:
    """Tells what was wrong with the options; nothing was called."""
    for problem in error.problems:
        print(problem, file=sys.stderr)
    return BAD_USAGE


def _tell_state(az: Az, again: str) -> None:
    if az.done:
        print(f"Done so far: {'; '.join(az.done)}.", file=sys.stderr)
    if az.under_way:
        print(f"Perhaps done, Azure may still be at it: {az.under_way}.", file=sys.stderr)
    if az.done or az.under_way:
        print(again, file=sys.stderr)
