"""What `python -m services.X` answers before it does anything: its usage, or that it takes no such
argument.
"""

import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import Final

from services.shared.standard_streams import READER_GONE, leave_standard_output

_HELP: Final = frozenset({"--help", "-h"})
_BAD_USAGE: Final = 2
# Of the narrowest terminal that people use.
_COLUMNS: Final = 80


def settings_text(meanings: Mapping[str, str]) -> str:
    """Each setting and its meaning."""
    return "settings, from the environment or .env (defaults in brackets):\n" + columns(meanings)


def columns(meanings: Mapping[str, str], *, width: int = 0) -> str:
    """Names, in `width` characters at the least, and beside each what it means."""
    width = max(width, *map(len, meanings))
    return "\n".join(
        textwrap.fill(
            meaning,
            _COLUMNS,
            initial_indent=f"  {name:{width}}  ",
            subsequent_indent=" " * (width + 4),
            break_long_words=False,
            break_on_hyphens=False,
        )
        for name, meaning in meanings.items()
    )


def answer(arguments: Sequence[str], usage: str) -> int | None:
    """The exit code of a service that was given arguments; None where it was not, and may run."""
    if not arguments:
        return None
    unknown = next((argument for argument in arguments if argument not in _HELP), None)
    if unknown is not None:
        print(f"unknown argument {unknown!r}; --help tells what there is", file=sys.stderr)  # noqa: T201 - for a person
        return _BAD_USAGE
    try:
        print(usage, flush=True)  # noqa: T201 - for a person
    except BrokenPipeError:
        leave_standard_output()
        return READER_GONE
    return 0
