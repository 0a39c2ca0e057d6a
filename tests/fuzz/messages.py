"""Changes protobuf messages field by field, by their descriptors, so that most stay readable."""

import random
from collections.abc import Callable, Mapping
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf.message import DecodeError, Message

from services.shared.payload_files import token_of

# The one payload of the payload store.
STORED: Final = b'"stored"'
# What exists, might exist, and what no rule allows: calls have to meet one another.
IDS: Final = ("a", "b", "c", "a:0001", "@counter@k", "@e@1", "", "@", "@@", "é", "x" * 101)
TEXTS: Final = (
    "main", "echo", "add", "event", "", "0", "1.0", "null", '"text"', "[1,2]", '{"a":1}', "\0",
    "\x1b[2J", "\u2028", "\U0010ffff", "%s%n", "../../etc/passwd", "\x7f", "é" * 400, "n" * 1_025,
    "\U0010ffff" * 1_024, "x" * 20_000, "file:v1:" + "0" * 64, "blob:v1:container:name",
    token_of(STORED), "WyJhIiwxXQ==", "[" * 5_000,
)  # fmt: skip
_EDGES: Final = (0, 1, -1, 2, 7, 99, 100, 499, 500, 501, 1_000, 2**31 - 1, -(2**31), 2**32 - 1)
_WIDE: Final = (2**63 - 1, -(2**63), 2**53 + 1, 253_402_300_800, -62_135_596_801)
_FLOATS: Final = (0.0, -0.0, 1.5, -1.0, 1e308, -1e308, 5e-324, float("inf"), float("nan"))
_REPEATED_MAX: Final = 5
_DEPTH_MAX: Final = 6

_INTS: Final = {
    Field.TYPE_INT32: (-(2**31), 2**31 - 1),
    Field.TYPE_SINT32: (-(2**31), 2**31 - 1),
    Field.TYPE_SFIXED32: (-(2**31), 2**31 - 1),
    Field.TYPE_UINT32: (0, 2**32 - 1),
    Field.TYPE_FIXED32: (0, 2**32 - 1),
    Field.TYPE_INT64: (-(2**63), 2**63 - 1),
    Field.TYPE_SINT64: (-(2**63), 2**63 - 1),
    Field.TYPE_SFIXED64: (-(2**63), 2**63 - 1),
    Field.TYPE_UINT64: (0, 2**64 - 1),
    Field.TYPE_FIXED64: (0, 2**64 - 1),
    Field.TYPE_ENUM: (-(2**31), 2**31 - 1),
}


def mutated(message_type: type[Message], encoded: bytes, dice: random.Random) -> bytes:
    """The message in `encoded` with up to four of its fields changed; a new one if it has none."""
    try:
        message = message_type.FromString(encoded)
    except DecodeError:
        message = message_type()
    for _ in range(dice.randint(1, 4)):
        _change(message, dice, 0)
    return message.SerializeToString()


def _change(message: Message, dice: random.Random, depth: int) -> None:
    """Changes one field, here or further down."""
    fields = message.DESCRIPTOR.fields
    if not fields:
        return
    field: Any = dice.choice(fields)
    if dice.random() < 0.1:
        message.ClearField(field.name)
    elif _is_map(field):
        _change_map(message, field, dice, depth)
    elif field.is_repeated:
        _change_repeated(message, field, dice, depth)
    elif field.type == Field.TYPE_MESSAGE:
        child = getattr(message, field.name)
        child.SetInParent()
        if depth < _DEPTH_MAX:
            for _ in range(dice.randint(0, 3)):
                _change(child, dice, depth + 1)
    else:
        setattr(message, field.name, scalar(field, dice))


def _change_repeated(message: Message, field: Field, dice: random.Random, depth: int) -> None:
    items: Any = getattr(message, field.name)
    if items and dice.random() < 0.3:
        del items[dice.randrange(len(items))]
    if len(items) >= _REPEATED_MAX:
        return
    if field.type != Field.TYPE_MESSAGE:
        items.append(scalar(field, dice))
        return
    child = dice.choice(items) if items and dice.random() < 0.5 else items.add()
    if depth < _DEPTH_MAX:
        for _ in range(dice.randint(1, 4)):
            _change(child, dice, depth + 1)


def _change_map(message: Message, field: Field, dice: random.Random, depth: int) -> None:
    entries: Any = getattr(message, field.name)
    if len(entries) >= _REPEATED_MAX:
        entries.clear()
    described: Any = field.message_type
    key = scalar(described.fields_by_name["key"], dice)
    value = described.fields_by_name["value"]
    if value.type != Field.TYPE_MESSAGE:
        entries[key] = scalar(value, dice)
    elif depth < _DEPTH_MAX:
        _change(entries[key], dice, depth + 1)


def _is_map(field: Field) -> bool:
    described = field.message_type
    return described is not None and described.GetOptions().map_entry


def scalar(field: Field, dice: random.Random) -> Any:
    """A value for a field that is no message: mostly one at the edge of something."""
    if field.type in _INTS:
        least, most = _INTS[field.type]
        if field.enum_type is not None:
            known = [value.number for value in field.enum_type.values]
            return dice.choice(known) if dice.random() < 0.9 else dice.choice((-1, 99))
        number = dice.choice(_EDGES + _WIDE) if dice.random() < 0.5 else dice.randint(0, 20)
        return min(max(number, least), most)
    return _OTHERS[field.type](field, dice)


def _text(field: Field, dice: random.Random) -> str:
    if "id" in field.name.lower() and dice.random() < 0.9:
        return dice.choice(IDS)
    return dice.choice(TEXTS) if dice.random() < 0.9 else dice.choice(IDS)


_OTHERS: Final[Mapping[int, Callable[[Field, random.Random], Any]]] = {
    Field.TYPE_STRING: _text,
    Field.TYPE_BYTES: lambda _field, dice: dice.randbytes(dice.randint(0, 12)),
    Field.TYPE_BOOL: lambda _field, dice: dice.random() < 0.5,
    Field.TYPE_DOUBLE: lambda _field, dice: dice.choice(_FLOATS),
    Field.TYPE_FLOAT: lambda _field, dice: dice.choice(_FLOATS),
}
