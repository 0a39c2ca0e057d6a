"""Where words go: messages to standard error, so that standard output holds data only.

What others wrote (ids, names, errors) is shown as it stands, but never as a terminal's commands.
"""

import sys
from io import TextIOWrapper
from typing import Final, NoReturn, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.shared.standard_streams import replace_closed_streams

# A table is as wide as what is in it: Rich would cut ids in two, and leave out whole columns, where
# a pipe has no width and a terminal is narrow.
_TABLE_COLUMNS: Final = 1_000
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
    return _Console(file=stream or sys.stdout)


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


def print_table(console: Console, table: Table) -> None:
    """Prints a table; its lines have no blanks at their ends, and a narrow terminal wraps them."""
    for line in console.render_lines(table, console.options.update(width=_TABLE_COLUMNS)):
        text = Text.assemble(*((part.text, part.style or "") for part in line))
        text.rstrip()
        console.print(text, soft_wrap=True)


def _escaped(text: str) -> str:
    return "".join(
        sign if sign.isprintable() or sign == _LINE_END else repr(sign)[1:-1] for sign in text
    )
