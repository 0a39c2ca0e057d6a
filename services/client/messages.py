"""Where words go: messages to standard error, so that standard output holds data only."""

import sys
from io import TextIOWrapper
from typing import Final, TextIO

from rich.console import Console

# A pipe has no width: a table that wrapped there would cut ids in two.
_PIPE_COLUMNS: Final = 1_000


def data_console(stream: TextIO | None = None) -> Console:
    """The console for what was asked for, on standard output or `stream`."""
    target = stream or sys.stdout
    return Console(file=target, width=None if target.isatty() else _PIPE_COLUMNS)


def data_stream() -> TextIO:
    """Standard output as a file of text would be: UTF-8, and line ends as they are written."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="")
    return sys.stdout


def stderr_console() -> Console:
    """The console for messages and progress."""
    return Console(stderr=True)


def say(console: Console, text: str) -> None:
    """Prints `text` as it stands: no markup, no wrapping, no guessing of what to colour."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)
