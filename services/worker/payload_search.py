"""The SDK's search for payloads, made only in messages that can hold any.

With a payload store SDK 1.12.0 asks every field of every message that comes or goes, in Python:
2.4 ms for a turn of 200 events, a seventh of a worker's CPU. What a message has inside is found out
from its bytes a hundred times faster: it is smaller than the threshold of what is stored, or the
mark of a token is not in it. Only `durabletask.payload.helpers` is touched, the SDK is pinned, and
what it finds where it does search is its own affair.
"""

from collections.abc import Callable
from typing import Any, Final

from durabletask.payload import helpers

from services.shared.payload_store import CachingPayloadStore

_externalize: Final[Callable[..., None]] = helpers.externalize_payloads
_deexternalize: Final[Callable[..., None]] = helpers.deexternalize_payloads


def search_where_needed() -> None:
    """From now on the SDK searches in this process only where there may be something to find."""
    helpers.externalize_payloads = _externalize_some
    helpers.deexternalize_payloads = _deexternalize_some


def _externalize_some(
    msg: Any,  # noqa: ANN401 - any message
    store: Any,  # noqa: ANN401 - any store
    *,
    instance_id: str | None = None,
) -> None:
    # No field is larger than its message.
    if msg.ByteSize() > store.options.threshold_bytes:
        _externalize(msg, store, instance_id=instance_id)


def _deexternalize_some(msg: Any, store: Any) -> None:  # noqa: ANN401 - as above
    if not isinstance(store, CachingPayloadStore) or store.mark in msg.SerializeToString():
        _deexternalize(msg, store)
