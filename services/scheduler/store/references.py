"""Which payloads of the payload store a hub's bytes name: one row for each token and holder.

Kept in the transaction that stores or removes the bytes. Who holds a payload too long costs room on
a disk, who lets go of it too early costs the payload: in doubt it is held.
"""

import re
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from enum import StrEnum
from typing import Final

from services.scheduler.store.statements import SQL
from services.scheduler.store.tables import Tables
from services.shared.payload_files import TOKEN, token_of

TOKEN_CHARS: Final = len(token_of(b""))
_DIGEST_CHARS: Final = 64
# What every token begins with. Nearly nothing that is stored has it: to look for it is all that
# most bytes cost.
_MARK_TEXT: Final = token_of(b"")[:-_DIGEST_CHARS]
_MARK: Final = _MARK_TEXT.encode()
# Wherever it stands: what comes behind a token in protobuf may look like one more of its digits.
_IN_BYTES: Final = re.compile(TOKEN.pattern.encode())
_MARKS: Final = {"text": _MARK_TEXT, "mark": _MARK}


class Holder(StrEnum):
    """Whose bytes name a payload."""

    # All that belongs to an incarnation of an instance: payloads, history, inbox, activities.
    INSTANCE = "instance"
    # An entity's state,
    ENTITY = "entity"
    # an operation in an entity's queue,
    OPERATION = "operation"
    # and one that becomes visible in the future.
    SIGNAL = "signal"


def digest_of(token: str) -> bytes:
    """The digest in a text that is a token; raises `ValueError` for any other text."""
    match = TOKEN.fullmatch(token)
    if match is None:
        raise ValueError(f"no token of a payload: {token[:100]!r}")
    return bytes.fromhex(match["digest"])


def token_for(digest: bytes) -> str:
    """The token of the payload that has this digest."""
    return f"{_MARK_TEXT}{digest.hex()}"


def is_token(text: str | None) -> bool:
    """Whether a payload lies in the payload store, and this is all that stands in its place."""
    return text is not None and TOKEN.fullmatch(text) is not None


class Condemned:
    """Payloads that are about to be removed. One that is named anew before that is spared.

    Without it a reference that is stored between the collector's last look and the removal would
    name a payload that was there when it came. The loop spares, the collector's thread removes.
    """

    def __init__(self) -> None:
        self._digests: set[bytes] = set()
        self._removing = threading.Lock()

    def replace(self, digests: Iterable[bytes]) -> None:
        """Those that are condemned from now on, and no others."""
        self._digests = set(digests)

    def spare(self, digest: bytes) -> None:
        """Something names it. Waits for the removal of one file at most, and only for its own."""
        if digest in self._digests:
            with self._removing:
                self._digests.discard(digest)

    def remove(self, digest: bytes, remove: Callable[[], bool]) -> bool:
        """Removes one that nothing has named since; False where it stays."""
        with self._removing:
            if digest not in self._digests:
                return False
            is_gone = remove()
            self._digests.discard(digest)
            return is_gone


class References(Tables):
    """The references of one hub. Everything here happens inside the caller's use case."""

    def __init__(self, connection: sqlite3.Connection, condemned: Condemned | None = None) -> None:
        super().__init__(connection)
        self._condemned = condemned or Condemned()
        # While there are none, nothing has to be released. After a rollback this may say too much.
        self._are_any = self._one("any_payload") is not None

    def hold(self, holder: Holder, seq: int, stored: bytes | str | None) -> None:
        """Notes what bytes that are being stored name."""
        # All that most bytes cost, on the way of every message.
        if isinstance(stored, bytes):
            found = _IN_BYTES.findall(stored) if _MARK in stored else ()
        else:
            found = TOKEN.findall(stored) if stored and _MARK_TEXT in stored else ()
        for digest in map(_digest, found):
            self._condemned.spare(digest)
            self._execute(SQL["hold_payload"], (holder.value, seq, digest))
            self._are_any = True

    def release(self, holder: Holder, *seqs: int) -> None:
        """Lets go of all that holders hold: their bytes are gone."""
        if self._are_any:
            values = ((holder.value, seq) for seq in seqs)
            self._connection.executemany(SQL["release_payloads"], values)

    def count_again(self, instance: int) -> None:
        """Lets go of what an instance's bytes named before some of them were replaced."""
        if not self._are_any:
            return
        held = (Holder.INSTANCE.value, instance)
        if self._one("holds_payloads", held) is None:
            return
        self._execute(SQL["release_payloads"], held)
        for (stored,) in self._all("stored_by_instance", {"seq": instance}):
            self.hold(Holder.INSTANCE, instance, stored)


def fill(connection: sqlite3.Connection) -> None:
    """Notes all that is in a file that had no table of references. Everything is read once."""
    for holder, seq, digests in stored_names(connection):
        connection.executemany(SQL["hold_payload"], ((holder, seq, digest) for digest in digests))


def named_in(connection: sqlite3.Connection) -> set[bytes]:
    """The digests of all payloads that a file without a table of references names."""
    return {digest for _holder, _seq, digests in stored_names(connection) for digest in digests}


def referenced(connection: sqlite3.Connection, digests: Collection[bytes]) -> set[bytes]:
    """Those of some payloads that a hub names, as far as it is committed."""
    sql = SQL["is_payload_held"]
    return {digest for digest in digests if connection.execute(sql, (digest,)).fetchone()}


def stored_names(connection: sqlite3.Connection) -> Iterator[tuple[str, int, set[bytes]]]:
    """Holder, its `seq` and digests of whatever bytes of a file name payloads; all is read."""
    for holder, seq, stored in connection.execute(SQL["stored_with_payloads"], _MARKS):
        found = (_IN_BYTES if isinstance(stored, bytes) else TOKEN).findall(stored)
        yield holder, seq, set(map(_digest, found))


def _digest(digits: bytes | str) -> bytes:
    return bytes.fromhex(digits.decode() if isinstance(digits, bytes) else digits)
