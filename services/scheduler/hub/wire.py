"""Joins messages from bytes that are there already: what is stored is not parsed to be sent.

Serialized protobuf is a concatenation of fields: a history is stored as the `pastEvents` of an
OrchestratorRequest, chunk after chunk, and becomes part of one by being put behind its head.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from services.scheduler.engine.protos import copy_optional, pb

_ORCHESTRATOR_REQUEST: Final = pb.WorkItem.DESCRIPTOR.fields_by_name["orchestratorRequest"].number
_ACTIVITY_REQUEST: Final = pb.WorkItem.DESCRIPTOR.fields_by_name["activityRequest"].number
_ENTITY_REQUEST: Final = pb.WorkItem.DESCRIPTOR.fields_by_name["entityRequestV2"].number
_LENGTH_DELIMITED: Final = 2
_SEVEN_BITS: Final = 0x7F
_MORE: Final = 0x80


def history_chunk(events: Iterable[pb.HistoryEvent]) -> bytes:
    """Events as they are stored."""
    return pb.OrchestratorRequest(pastEvents=events).SerializeToString()


def events_in(chunk: bytes) -> Sequence[pb.HistoryEvent]:
    """The events of a stored chunk, or of several, joined."""
    return pb.OrchestratorRequest.FromString(chunk).pastEvents


def event_slices(chunk: bytes, start: int = 0) -> Iterator[tuple[int, bytes]]:
    """Where each event of a stored chunk begins, and its bytes, none of them parsed."""
    at = start
    while at < len(chunk):
        begin = at
        length, at = _read_varint(chunk, at + 1)  # the tag of pastEvents has one byte
        yield begin, chunk[at : at + length]
        at += length


def orchestrator_item(head: pb.OrchestratorRequest, past: Iterable[bytes], token: str) -> bytes:
    """A work item for an orchestrator: `head` is all but the past events."""
    return _item(_ORCHESTRATOR_REQUEST, [head.SerializeToString(), *past], token)


def activity_requests(
    scheduled: Iterable[pb.HistoryEvent], instance: pb.OrchestrationInstance
) -> Iterator[bytes]:
    """What workers are sent for taskScheduled events, in their order."""
    request = pb.ActivityRequest()
    for event in scheduled:
        task = event.taskScheduled
        request.Clear()
        request.name = task.name
        request.taskId = event.eventId
        request.orchestrationInstance.CopyFrom(instance)
        copy_optional(task, request, ("version", "input", "parentTraceContext"))
        if task.tags:
            request.tags.update(task.tags)
        yield request.SerializeToString()


def activity_item(request: bytes, token: str) -> bytes:
    """A work item for an activity."""
    return _item(_ACTIVITY_REQUEST, [request], token)


def entity_item(request: pb.EntityRequest, token: str) -> bytes:
    """A work item for an entity."""
    return _item(_ENTITY_REQUEST, [request.SerializeToString()], token)


def _item(field: int, parts: list[bytes], token: str) -> bytes:
    tag = _varint(field << 3 | _LENGTH_DELIMITED)
    length = _varint(sum(map(len, parts)))
    rest = pb.WorkItem(completionToken=token).SerializeToString()
    return b"".join((tag, length, *parts, rest))


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > _SEVEN_BITS:
        encoded.append(number & _SEVEN_BITS | _MORE)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _read_varint(encoded: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = encoded[at]
        number |= (byte & _SEVEN_BITS) << shift
        at += 1
        if not byte & _MORE:
            return number, at
        shift += 7
