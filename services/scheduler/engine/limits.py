"""The limits of the service, each with the reason for its number, and the checks against them."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from google.protobuf.message import DecodeError

from services.scheduler.engine.protos import pb
from services.scheduler.errors import BadRequestError, PayloadTooLargeError

# The service's own: inputs, outputs, event data, custom status and entity state, each.
PAYLOAD_BYTES_MAX: Final = 1_048_576
# The service's own.
INSTANCE_ID_CHARS_MAX: Final = 100
# The service's own, for batches of instance ids.
BATCH_IDS_MAX: Final = 500
# Names are code identifiers; longer ones are mistakes, and every one stands in many events.
NAME_CHARS_MAX: Final = 1_024
# Tags travel with every event that starts something: a label each, not a payload.
TAGS_BYTES_MAX: Final = 32_768
# A page that a client of four mebibytes can still receive, and that no reader waits for.
PAGE_SIZE_MAX: Final = 1_000
PAGE_BYTES_MAX: Final = 1_048_576
# As many operations as an entity is given at once: its state is saved once for all of them.
ENTITY_BATCH_MAX: Final = 256
# A dispatch of this many new events takes a worker some hundred milliseconds,
NEW_EVENTS_MAX: Final = 5_000
# and a stream is no place for all that a full inbox may hold.
NEW_EVENTS_BYTES_MAX: Final = 4 * 1024 * 1024
# What one answer may decide: more is a mistake, and would keep everybody else waiting.
ACTIONS_MAX: Final = 100_000
# The same of an answer in parts, which are kept until the last one: as much as one message holds.
ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024
# How much deeper a failure lies in what is stored and sent than in what was received.
_LEVELS_BELOW: Final = 8

_PRINTABLE: Final = re.compile(r"[\x20-\x7e]+")


def check_instance_id(instance_id: str) -> None:
    """Raises `BadRequestError` for what cannot be the id of an orchestration."""
    if not instance_id or len(instance_id) > INSTANCE_ID_CHARS_MAX:
        length = len(instance_id)
        raise BadRequestError(
            f"Instance id must have 1 to {INSTANCE_ID_CHARS_MAX} characters (got {length})"
        )
    if not _PRINTABLE.fullmatch(instance_id):
        raise BadRequestError("Instance id must be printable ASCII (0x20 to 0x7E)")
    if instance_id.startswith("@"):
        raise BadRequestError(
            f"Instance id must not start with '@': {instance_id!r} is an entity's"
        )


def checked_batch(instance_ids: Sequence[str]) -> list[str]:
    """The ids of a batch; raises `BadRequestError` above the service's limit."""
    if len(instance_ids) > BATCH_IDS_MAX:
        raise BadRequestError(
            f"A batch must have at most {BATCH_IDS_MAX} instance ids (got {len(instance_ids)})"
        )
    return list(instance_ids)


def check_entity_id(entity_id: str) -> None:
    """Raises `BadRequestError` for what is not `@name@key`."""
    name, _separator, key = entity_id[1:].partition("@")
    if not entity_id.startswith("@") or not name or not key:
        raise BadRequestError(f"Entity id must be @name@key (got {entity_id[:80]!r})")
    if len(entity_id) > INSTANCE_ID_CHARS_MAX or not _PRINTABLE.fullmatch(entity_id):
        raise BadRequestError(
            f"Entity id must have at most {INSTANCE_ID_CHARS_MAX} characters of printable ASCII"
        )


def check_name(what: str, name: str) -> None:
    """Raises `BadRequestError` for a name that is missing or too long."""
    if not name or len(name) > NAME_CHARS_MAX:
        raise BadRequestError(
            f"{what} name must have 1 to {NAME_CHARS_MAX} characters (got {len(name)})"
        )


def check_payload(what: str, payload: str) -> None:
    """Raises `PayloadTooLargeError` above the service's limit."""
    # Four bytes a character at most: short texts, nearly all, need no encoding to be measured.
    if len(payload) * 4 > PAYLOAD_BYTES_MAX:
        size = len(payload.encode())
        if size > PAYLOAD_BYTES_MAX:
            raise PayloadTooLargeError(what, size, PAYLOAD_BYTES_MAX)


def check_signal(request: pb.SignalEntityRequest) -> None:
    """Raises `BadRequestError` for an operation that no entity can have."""
    check_entity_id(request.instanceId)
    check_name("Operation", request.name)
    check_payload(f"the input of operation {request.name!r}", request.input.value)


def check_labels(version: str, tags: Mapping[str, str]) -> None:
    """Raises `BadRequestError` for a version or tags too large to travel with every event."""
    if len(version) > NAME_CHARS_MAX:
        raise BadRequestError(f"A version must have at most {NAME_CHARS_MAX} characters")
    if not tags:
        return
    size = sum(len(key.encode()) + len(value.encode()) for key, value in tags.items())
    if size > TAGS_BYTES_MAX:
        raise BadRequestError(f"Tags must have at most {TAGS_BYTES_MAX} bytes (got {size})")


def check_failure(what: str, failure: pb.TaskFailureDetails) -> None:
    """Raises `BadRequestError` for failure details that are too large or nested too deeply."""
    size = failure.ByteSize()
    if size > PAYLOAD_BYTES_MAX:
        raise PayloadTooLargeError(what, size, PAYLOAD_BYTES_MAX)
    if failure.HasField("innerFailure") or failure.properties:
        _check_depth(what, failure)


def _check_depth(what: str, failure: pb.TaskFailureDetails) -> None:
    """Protobuf reads a hundred levels: what could be received must be readable when stored."""
    probe = failure
    try:
        for _ in range(_LEVELS_BELOW):
            probe = pb.TaskFailureDetails(innerFailure=probe)
        pb.TaskFailureDetails.FromString(probe.SerializeToString())
    except (DecodeError, ValueError) as error:
        raise BadRequestError(f"{what} is nested too deeply") from error
