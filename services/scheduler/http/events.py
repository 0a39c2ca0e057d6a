"""History events as protobuf JSON, with their payloads cut to what is wanted.

`json_format` says the same, ten times slower, and only whole. Numbers, booleans and enumerations
are always there, also where they are 0: who reads event ids should not have to know of defaults.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.timestamp_pb2 import Timestamp

from services.scheduler.engine.protos import pb
from services.scheduler.http.payloads import SizeOf
from services.scheduler.http.states import time_of, value_of
from services.scheduler.hub.states import micros_of
from services.scheduler.store.references import is_token

# An error's message says what happened: so much of it is always given.
ERROR_CHARS_MIN: Final = 1_000
_PAYLOADS: Final = frozenset({"input", "result", "output", "data", "customStatus", "stackTrace"})
_ERROR: Final = "errorMessage"
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999
_LONG: Final = frozenset(
    {FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64}
)  # JSON's numbers cannot hold them all: protobuf writes texts

Convert = Callable[[Any, str, "Cut"], Any]


class Cut:
    """How much of each payload is wanted (None: all), and what has been cut so far.

    And which payloads are only tokens, with the sizes of what they stand for.
    """

    def __init__(self, chars: int | None, size_of: SizeOf | None = None) -> None:
        self._chars = chars
        self._size_of = size_of
        self.paths: dict[str, int] = {}
        self.stored: dict[str, int | None] = {}

    def payload(self, text: str, path: str) -> str:
        """What is wanted of a payload."""
        if self._size_of is not None and self._chars != 0 and is_token(text):
            self.stored[path] = self._size_of(text)
        return self._cut(text, path, self._chars)

    def error(self, text: str, path: str) -> str:
        """What is wanted of an error's message."""
        return self._cut(
            text, path, None if self._chars is None else max(self._chars, ERROR_CHARS_MIN)
        )

    def _cut(self, text: str, path: str, chars: int | None) -> str:
        if chars is None or len(text) <= chars:
            return text
        self.paths[path] = len(text)
        return text[:chars]


def event_json(
    index: int,
    event: pb.HistoryEvent,
    payload_chars: int | None,
    size_of: SizeOf | None = None,
) -> dict[str, Any]:
    """One event with its index.

    Where something was cut `cut` has the full numbers of characters, and where something lies in
    the payload store `stored` has its size.
    """
    cut = Cut(payload_chars, size_of)
    document = {"index": index, **_message(event, "", cut)}
    if cut.paths:
        document["cut"] = cut.paths
    if cut.stored:
        document["stored"] = cut.stored
    return document


def _message(message: Any, path: str, cut: Cut) -> dict[str, Any]:  # noqa: ANN401 - any message
    defaults, converts = _plan(message.DESCRIPTOR)
    document = dict(defaults)
    for field, value in message.ListFields():
        name = field.json_name
        document[name] = converts[name](value, f"{path}.{name}" if path else name, cut)
    return document


@cache
def _plan(descriptor: Descriptor) -> tuple[Mapping[str, Any], Mapping[str, Convert]]:
    """What a message shows where a field is not set, and how each field is shown."""
    defaults: dict[str, Any] = {}
    converts: dict[str, Convert] = {}
    for field in descriptor.fields:
        converts[field.json_name] = _convert(field)
        is_text = field.cpp_type == FieldDescriptor.CPPTYPE_STRING
        if not field.has_presence and not field.is_repeated and not is_text:
            defaults[field.json_name] = converts[field.json_name](
                field.default_value, "", Cut(None)
            )
    return defaults, converts


def _convert(field: FieldDescriptor) -> Convert:
    one = _convert_one(field)
    if not field.is_repeated:
        return one
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        value = _convert_one(kind.fields_by_name["value"])
        return lambda map_, path, cut: {
            str(key): value(map_[key], f"{path}.{key}", cut) for key in map_
        }
    return lambda values, path, cut: [one(value, path, cut) for value in values]


def _convert_one(field: FieldDescriptor) -> Convert:
    if field.message_type is not None:
        return _convert_message(field, field.message_type.full_name)
    if field.enum_type is not None:
        return _convert_enum(field.enum_type)
    if field.name == _ERROR:
        return lambda text, path, cut: cut.error(text, path)
    if field.cpp_type in _LONG:
        return lambda number, _path, _cut: str(number)
    return lambda value, _path, _cut: value


def _convert_message(field: FieldDescriptor, kind: str) -> Convert:
    if kind == "google.protobuf.Timestamp":
        return lambda stamp, _path, _cut: _time(stamp)
    if kind == "google.protobuf.Value":
        return lambda value, _path, _cut: value_of(value)
    if kind == "google.protobuf.StringValue":
        if field.name in _PAYLOADS:
            return lambda text, path, cut: cut.payload(text.value, path)
        return lambda text, _path, _cut: text.value
    return _message


def _convert_enum(kind: EnumDescriptor) -> Convert:
    names = {number: value.name for number, value in kind.values_by_number.items()}
    return lambda number, _path, _cut: names.get(number, number)


def _time(stamp: Timestamp) -> str | None:
    return time_of(max(_FIRST, min(micros_of(stamp), _LAST)))
