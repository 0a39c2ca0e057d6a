"""JSON that is handed on as the text that it is, and cut without being built.

The orders of a large submission are a fifth as much as text as they are as dictionaries, and who
only passes them on needs nothing of them but where they begin and end.
"""

import json
import re
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_DECODER: Final = json.JSONDecoder()
_BLANKS: Final = re.compile(r"[ \t\n\r]*")


@dataclass(frozen=True, slots=True)
class JsonText:
    """A payload in JSON, which the data converter reads and writes as it stands."""

    text: str = field(repr=False)


class NoOrdersError(ValueError):
    """A text is no object with `"orders"`, an array of objects."""


class OrdersText:
    """An object with `"orders"`, an array of objects of which only the places are known.

    `fields` are the object's others. Raises `NoOrdersError` for a text that is something else.
    """

    def __init__(self, text: str) -> None:
        self.fields: dict[str, Any] = {}
        self._text = text
        self._starts: array[int] | None = None
        self._ends = array("Q")
        try:
            end = self._skip(self._read_object(self._skip(0)))
        except (ValueError, RecursionError) as error:
            raise NoOrdersError from error
        if end != len(text) or self._starts is None:
            raise NoOrdersError

    def __len__(self) -> int:
        return len(self._ends)

    def cut(self, orders: range, fields: Mapping[str, Any]) -> JsonText:
        """An object with a contiguous part of the orders, as they stand, and with `fields`."""
        inner = ""
        if orders and self._starts is not None:
            inner = self._text[self._starts[orders[0]] : self._ends[orders[-1]]]
        others = "".join(f",{json.dumps(name)}:{json.dumps(fields[name])}" for name in fields)
        return JsonText(f'{{"orders":[{inner}]{others}}}')

    def _read_object(self, at: int) -> int:
        at = self._skip(self._expect("{", at))
        if self._text.startswith("}", at):
            return at + 1
        while True:
            name, at = _DECODER.raw_decode(self._text, at)
            at = self._skip(self._expect(":", self._skip(at)))
            if not isinstance(name, str):
                raise NoOrdersError
            if name == "orders":
                at = self._read_orders(at)
            else:
                self.fields[name], at = _DECODER.raw_decode(self._text, at)
            at = self._skip(at)
            if self._text.startswith("}", at):
                return at + 1
            at = self._skip(self._expect(",", at))

    def _read_orders(self, at: int) -> int:
        text, decode, skip = self._text, _DECODER.raw_decode, self._skip
        starts, ends = array("Q"), array("Q")
        self._starts, self._ends = starts, ends
        at = skip(self._expect("[", at))
        if text.startswith("]", at):
            return at + 1
        while True:
            order, end = decode(text, at)
            if not isinstance(order, dict):
                raise NoOrdersError
            starts.append(at)
            ends.append(end)
            at = skip(end)
            if text.startswith("]", at):
                return at + 1
            at = skip(self._expect(",", at))

    def _expect(self, sign: str, at: int) -> int:
        if not self._text.startswith(sign, at):
            raise NoOrdersError
        return at + 1

    def _skip(self, at: int) -> int:
        found = _BLANKS.match(self._text, at)
        return at if found is None else found.end()
