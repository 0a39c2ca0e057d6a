"""`make bench`, `make bench-full`: measures rows of the targets table, and reports them."""

import logging
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NoReturn

import grpc
import httpx
from rich.console import Console

from scripts.bench.disk import choose_directory
from scripts.bench.errors import BenchError
from scripts.bench.machine import check_system, describe
from scripts.bench.options import Options, parse
from scripts.bench.plots import draw
from scripts.bench.readings import NotMeasured, Result
from scripts.bench.report import Report, markdown
from scripts.bench.rows import FIRST, KEYS, ROWS
from scripts.bench.session import Session
from scripts.bench.terminal import show

_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# What a server that ends, or a full disk, makes of a measurement.
_FAILURES: Final = (BenchError, grpc.RpcError, httpx.HTTPError, OSError, TimeoutError)
_INTERRUPTED: Final = 130
_WIDTH: Final = 120


def main(arguments: Sequence[str]) -> int:
    """0 when all that was asked for was measured, met or not; 1 when something was not."""
    options = parse(arguments, KEYS, FIRST)
    stop = _Stop()
    for number in _STOP_SIGNALS:
        signal.signal(number, stop)
    logging.basicConfig(level=logging.WARNING)
    # Into a file it is read later, by people with wide windows.
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    try:
        check_system()
        directory = choose_directory(options.directory)
        with tempfile.TemporaryDirectory(prefix="bench-", dir=directory) as folder:
            report = _measure(options, Path(folder), console, stop)
        show(console, report)
        home = _write(report, options.output)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped: nothing was reported", file=sys.stderr)
        return _INTERRUPTED
    console.print(f"report    {home}", highlight=False, soft_wrap=True)
    return 0 if report.is_complete else 1


def _measure(options: Options, folder: Path, console: Console, stop: "_Stop") -> Report:
    started, begun = datetime.now(UTC), time.perf_counter()

    def say(text: str) -> None:
        console.print(
            f"[dim]{time.perf_counter() - begun:5.0f} s[/] {text}", highlight=False, soft_wrap=True
        )

    session = Session(options=options, folder=folder, say=say)
    results: dict[str, Result] = {}
    for row in ROWS:
        if row.key not in options.rows:
            continue
        try:
            results[row.key] = row.measure(session)
        except _FAILURES as error:
            if stop.was_asked_for:
                raise KeyboardInterrupt from error
            say(f"{row.key}: not measured: {error}")
            results[row.key] = NotMeasured(why=str(error))
    return Report(
        started=started,
        seconds=time.perf_counter() - begun,
        machine=describe(folder),
        session=session,
        results=results,
    )


def _write(report: Report, output: Path) -> Path:
    """Writes JSON, Markdown and plots into a folder of their own; raises `BenchError`."""
    home = output / f"{report.started:%Y-%m-%dT%H-%M-%SZ}"
    try:
        home.mkdir(parents=True)
        (home / "results.json").write_text(report.as_json() + "\n")
        plots = draw(report.as_document(), home)
        (home / "report.md").write_text(markdown(report, plots))
    except OSError as error:
        raise BenchError(f"the report cannot be written: {error}") from error
    return home


class _Stop:
    """What a signal does; whoever cleans up behind it may fail, and so hide that it came."""

    def __init__(self) -> None:
        self.was_asked_for = False

    def __call__(self, _number: int, _frame: object) -> NoReturn:
        # Once: an impatient second Ctrl-C must not interrupt the stopping and leave half of it.
        for number in _STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        self.was_asked_for = True
        raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
