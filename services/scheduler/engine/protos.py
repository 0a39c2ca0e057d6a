"""The one door to the protocol's messages: those that the SDK has generated.

A second copy of the protocol cannot be registered in one process. A message is frozen once built.
"""

from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import BoolValue, StringValue

__all__ = ["BoolValue", "StringValue", "Timestamp", "copy_optional", "pb", "text_of"]


def text_of(message: Message, field: str) -> str | None:
    """The text of an optional field, None where it is absent: `""` is a text."""
    return getattr(message, field).value if message.HasField(field) else None


def copy_optional(source: Message, target: Message, fields: tuple[str, ...]) -> None:
    """Copies the fields of that name that `source` has: an absent one stays absent."""
    for field in fields:
        if source.HasField(field):
            getattr(target, field).CopyFrom(getattr(source, field))
