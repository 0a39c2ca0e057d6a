"""The time and fresh ids, handed in where they are needed."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime

Now = Callable[[], datetime]
Ids = Callable[[], str]


def system_now() -> datetime:
    """The wall clock, aware, UTC."""
    return datetime.now(UTC)


def fresh_id() -> str:
    """32 lowercase hexadecimal characters, as the protocol's execution ids are."""
    return uuid.uuid4().hex
