"""Orders as JSON: one array of objects, or one object per line (JSON Lines).

No number passes through a float on its way to a `Decimal`, and none that is too long for Python is
ever converted: it stays as it was written, and is refused with its row.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final, TypeAlias

from services.client.order_problems import BrokenOrdersError, listed, shown
from services.client.order_rows import Row
from services.client.order_text import lines
from services.shared.orders import FIELDS

_SPACE: Final = re.compile(r"[ \t\n]*")
# More than any number of an order needs; int() itself gives up above 4,300 digits.
_NUMBER_CHARS_MAX: Final = 40
_TOO_DEEP: Final = "the JSON is nested too deeply"
_SHAPES: Final = 'the file must hold an array of orders, or {"orders": [...]} and nothing beside it'
# What one value says as a row: its fields (None for no object) and what is wrong so far.
_Reading: TypeAlias = tuple[dict[str, object] | None, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _NoNumber:
    """A number that no order can hold, such as NaN, as it was written."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class _Object:
    """A JSON object; a dict alone would forget that a key stood twice."""

    fields: dict[str, object]
    repeated: tuple[str, ...]

    def __str__(self) -> str:
        return "an object"


def read_json(text: str) -> Iterator[Row]:
    """The rows of a JSON text; none for a text that is blank.

    Raises `BrokenOrdersError` when it is no JSON, or JSON of another shape.
    """
    if not text.strip():
        return
    try:
        # The decoder counts "\n" alone. JSON has raw line ends between tokens only.
        top = _DECODER.decode(_with_plain_ends(text))
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise BrokenOrdersError(f"broken JSON at {place} ({_cause(error)})") from None
    except RecursionError:
        raise BrokenOrdersError(_TOO_DEEP) from None
    for number, value in enumerate(_array(top), start=1):
        fields, problems = _read(value)
        yield Row(unit="order", number=number, fields=fields, problems=problems)


def order_lines(text: str) -> Iterator[int]:
    """The line that each order begins on, of a JSON text that `read_json` has read."""
    text = _with_plain_ends(text)
    # What may stand before the array has no bracket.
    at, line, counted = text.index("[") + 1, 1, 0
    while text[at := _after_space(text, at)] != "]":
        line += text.count("\n", counted, at)
        counted = at
        yield line
        _, at = _DECODER.raw_decode(text, at)
        at = _after_space(text, at)
        at += text[at] == ","


def _with_plain_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


def read_jsonl(text: str) -> Iterator[Row]:
    """The rows of a JSON Lines text, whose blank lines do not count."""
    for number, line in enumerate(lines(text), start=1):
        if line.strip():
            fields, problems = _read_line(line.rstrip("\r\n"))
            yield Row(unit="line", number=number, fields=fields, problems=problems)


def _read_line(line: str) -> _Reading:
    try:
        return _read(_DECODER.decode(line))
    except json.JSONDecodeError as error:
        return None, (f"broken JSON at column {error.colno} ({_cause(error)})",)
    except RecursionError:
        return None, (_TOO_DEEP,)


def _read(value: object) -> _Reading:
    if not isinstance(value, _Object):
        wanted = f"an order must be an object with the fields {', '.join(FIELDS)}"
        return None, (f"{wanted} (got {shown(value)})",)
    problems = (f"repeated fields: {listed(value.repeated)}",) if value.repeated else ()
    return value.fields, problems


def _array(top: object) -> list[object]:
    if isinstance(top, _Object) and tuple(top.fields) == ("orders",) and not top.repeated:
        top = top.fields["orders"]
    if isinstance(top, list):
        return top
    found = shown(top)
    if isinstance(top, _Object):
        found += f" with {listed((*top.fields, *top.repeated)) or 'no fields'}"
    raise BrokenOrdersError(f"{_SHAPES} (got {found})")


def _cause(error: json.JSONDecodeError) -> str:
    # Such as "Unterminated string starting at": made to be followed by a place; ours stands before.
    return error.msg[:1].lower() + error.msg[1:].removesuffix(" at").removesuffix(" starting")


def _to_object(pairs: list[tuple[str, object]]) -> _Object:
    fields = dict(pairs)
    if len(fields) == len(pairs):
        return _Object(fields=fields, repeated=())
    counts = Counter(name for name, _ in pairs)
    return _Object(fields=fields, repeated=tuple(name for name in fields if counts[name] > 1))


def _to_int(text: str) -> int | _NoNumber:
    return int(text) if len(text) <= _NUMBER_CHARS_MAX else _NoNumber(text=text)


def _to_decimal(text: str) -> Decimal | _NoNumber:
    try:
        return Decimal(text) if len(text) <= _NUMBER_CHARS_MAX else _NoNumber(text=text)
    except InvalidOperation:  # an exponent that does not fit into a machine word
        return _NoNumber(text=text)


def _to_constant(text: str) -> _NoNumber:
    return _NoNumber(text=text)


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_to_object,
    parse_int=_to_int,
    parse_float=_to_decimal,
    parse_constant=_to_constant,
)
