"""Times, durations, numbers and payloads as people read them.

The browser's `clock.js` says the same in the same words: it goes on where the page was rendered.
"""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Final

_SECOND: Final = 1_000
_MINUTE: Final = 60 * _SECOND
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
# Deeper ones begin no further in: with depth alone a text would grow by its square.
_LEVELS_MAX: Final = 40
_PARTS: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_HALVES: Final = re.compile("[\ud800-\udfff]")
_OPENING: Final = frozenset("{[")
_CLOSING: Final = frozenset("}]")
_UNITS: Final = (("d", _DAY), ("h", _HOUR), ("m", _MINUTE), ("s", _SECOND))


def parse_time(text: str) -> datetime:
    """A time as the API writes it; raises `ValueError`."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def iso(moment: datetime) -> str:
    """A time as the API reads it."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def absolute(text: str) -> str:
    """`2026-11-25 18:44:45.973 UTC`."""
    moment = parse_time(text).astimezone(UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d} UTC"


def milliseconds(span: timedelta) -> int:
    """A span, never negative: two machines' clocks may disagree."""
    return max(0, span // timedelta(milliseconds=1))


def duration(ms: int) -> str:
    """`314 ms`, `4.77 s`, `1 m 0 s`, `2 h 5 m`, `3 d 4 h`."""
    if ms < _SECOND:
        return f"{ms} ms"
    if ms < _MINUTE:
        return f"{ms // 10 / 100:.2f} s"
    if ms < _HOUR:
        return f"{ms // _MINUTE} m {ms % _MINUTE // _SECOND} s"
    if ms < _DAY:
        return f"{ms // _HOUR} h {ms % _HOUR // _MINUTE} m"
    return f"{ms // _DAY} d {ms % _DAY // _HOUR} h"


def relative(text: str, now: datetime) -> str:
    """`just now`, `12 s ago`, `3 h ago`, `in 5 m`."""
    past = (now - parse_time(text)) // timedelta(milliseconds=1)
    for unit, size in _UNITS:
        if abs(past) >= size:
            number = f"{abs(past) // size} {unit}"
            return f"{number} ago" if past > 0 else f"in {number}"
    return "just now"


def number(value: int) -> str:
    """`100,006`."""
    return f"{value:,}"


def pretty(text: str) -> str:
    """A payload indented when it is JSON, every token as it was written; otherwise as it stands.

    Halves of a surrogate pair, which no page can be encoded with, are shown as escapes.
    """
    text = _HALVES.sub(lambda half: f"\\u{ord(half[0]):04x}", text)
    try:
        json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return text
    return _indented(_PARTS.findall(text))


def _indented(parts: list[str]) -> str:
    out: list[str] = []
    depth = 0
    before = ""
    for at, part in enumerate(parts):
        if part in _CLOSING and before not in _OPENING:
            depth -= 1
            out.append(_line(depth))
        out.append(part)
        if part in _OPENING and parts[at + 1] not in _CLOSING:
            depth += 1
            out.append(_line(depth))
        elif part == ",":
            out.append(_line(depth))
        elif part == ":":
            out.append(" ")
        before = part
    return "".join(out)


def _line(depth: int) -> str:
    return "\n" + "  " * min(depth, _LEVELS_MAX)
