"""What can be wrong with a file of orders, in words for the person who wrote it.

Values stand in messages short and escaped: a message can be printed whatever the file holds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

# A message about a bad value stays on one line of a terminal.
_SHOWN_CHARS_MAX: Final = 40
# One more than an order has fields, so that a header in foreign words is listed whole.
_LISTED_MAX: Final = 7
_JSON_WORDS: Final = {None: "null", True: "true", False: "false"}


class BrokenOrdersError(Exception):
    """A file's content cannot be read as orders at all; the text says what and where, not whose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowProblem:
    """Why one row is no order. `where` is a place such as "line 3" or "order 3 (line 17)"."""

    where: str
    message: str
    # The row's number in what its file counts: lines, or orders.
    number: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


def describe_problems(problems: Sequence[RowProblem], limit: int = 10) -> str:
    """The first `limit` problems, one per line, and how many more there are."""
    lines = [str(problem) for problem in problems[:limit]]
    if len(problems) > limit:
        lines.append(f"... and {len(problems) - limit:,} more")
    return "\n".join(lines)


def shown(value: object) -> str:
    """A value of a file as messages show it: in JSON's words, text quoted, about 40 characters."""
    if isinstance(value, str):
        # Two more for the quotes; repr() also escapes lone surrogates, which cannot be printed.
        quoted = repr(value[: _SHOWN_CHARS_MAX + 1])
        return _cut(quoted, _SHOWN_CHARS_MAX + 2, end=quoted[-1])
    if value is None or isinstance(value, bool):
        return _JSON_WORDS[value]
    if isinstance(value, list):
        return "a list"
    return _cut(str(value), _SHOWN_CHARS_MAX)


def listed(names: Iterable[str]) -> str:
    """Names from a file, quoted; of many only the first, and how many more there are."""
    quoted = [shown(name) for name in names]
    rest = len(quoted) - _LISTED_MAX
    return ", ".join(quoted[:_LISTED_MAX]) + (f" and {rest:,} more" if rest > 0 else "")


def _cut(text: str, chars_max: int, end: str = "") -> str:
    if len(text) <= chars_max:
        return text
    tail = "..." + end
    return text[: chars_max - len(tail)] + tail
