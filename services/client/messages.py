"""Where words go: messages to standard error, so that standard output holds data only.

What others wrote (ids, names, errors) is shown as it stands, but never as a terminal's commands.
"""

import sys
from io import TextIOWrapper
from typing import Final, NoReturn, TextIO

from rich.console import Console
from rich.text import Text

from services.shared.standard_streams import replace_closed_streams

# A pipe has no width: a table that wrapped there would cut ids in two.
_PIPE_COLUMNS: Final = 1_000
_LINE_END: Final = "\n"


class _Console(Console):
    """A console that leaves it to the command what a reader who went away means."""

    def on_broken_pipe(self) -> NoReturn:
        """Its base would end the process, as if an orchestration had failed."""
        raise BrokenPipeError


def make_streams_robust() -> None:
    """Makes standard output and error take any text: escaped where their encoding has no sign."""
    replace_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def data_console(stream: TextIO | None = None) -> Console:
    """The console for what was asked for, on standard output or `stream`."""
    target = stream or sys.stdout
    return _Console(file=target, width=None if target.isatty() else _PIPE_COLUMNS)


def data_stream() -> TextIO:
    """Standard output as a file of text would be: UTF-8, and line ends as they are written."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="", errors="backslashreplace")
    return sys.stdout


def stderr_console() -> Console:
    """The console for messages and progress."""
    return _Console(stderr=True)


def plain(text: str, style: str = "") -> Text:
    """Text of others: no markup, and control characters escaped."""
    return Text(_escaped(text), style=style)


def say(console: Console, text: str) -> None:
    """Prints `text` as it stands: no markup, no wrapping, no guessing of what to colour."""
    console.print(plain(text), soft_wrap=True)


def _escaped(text: str) -> str:
    return "".join(
        sign if sign.isprintable() or sign == _LINE_END else repr(sign)[1:-1] for sign in text
    )
