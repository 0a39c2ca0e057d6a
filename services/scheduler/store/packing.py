"""Histories on the disk: deflated where that makes them smaller.

An order's input and outcome stand in the histories of its batch and of its submission, and those
are most of a file. In memory and on the wire a history is what it always was; `plain` is also a
function of SQL, on every connection to a hub's file.
"""

import sqlite3
import zlib
from typing import Final

# Less has nothing in it that repeats.
_BYTES_MIN: Final = 512
# 30 kB, a batch of a hundred orders, take 0.2 ms; the levels above gain little.
_LEVEL: Final = 1
# How zlib's bytes begin, and never a chunk: its events are field 3 of their message.
_MARK: Final = 0x78


def packed(chunk: bytes) -> bytes:
    """Bytes of a history as they are stored."""
    if len(chunk) < _BYTES_MIN:
        return chunk
    small = zlib.compress(chunk, _LEVEL)
    return small if len(small) < len(chunk) else chunk


def plain(stored: bytes) -> bytes:
    """Stored bytes as they were; raises `zlib.error` for damaged ones."""
    return zlib.decompress(stored) if stored and stored[0] == _MARK else stored


def teach(connection: sqlite3.Connection) -> None:
    """Gives a connection the function `plain`; damage is an error of its statement."""
    connection.create_function("plain", 1, plain, deterministic=True)
