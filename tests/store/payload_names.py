"""Which payloads a hub's file names, found without any of the code that is tested."""

import hashlib
import re
import sqlite3
import zlib

from services.shared.payload_files import token_of

TOKENS = re.compile(rb"file:v1:([0-9a-f]{64})")


def token(payload: str) -> str:
    """The token of a payload."""
    return token_of(payload.encode())


def digest(payload: str) -> bytes:
    """What stands for it in a hub's file."""
    return hashlib.sha256(payload.encode()).digest()


def named(connection: sqlite3.Connection) -> set[bytes]:
    """The digests of all tokens in whatever text or blob, of whatever table."""
    return {
        bytes.fromhex(digits.decode())
        for table in _tables(connection)
        for row in connection.execute(f"SELECT * FROM {table}")  # noqa: S608 - of its own schema
        for value in row
        if isinstance(value, str | bytes)
        for digits in TOKENS.findall(_plain(value))
    }


def _plain(value: str | bytes) -> bytes:
    """What is stored, also where it is stored deflated."""
    stored = value.encode() if isinstance(value, str) else value
    try:
        return zlib.decompress(stored)
    except zlib.error:
        return stored


def held(connection: sqlite3.Connection) -> set[bytes]:
    """The digests that are referenced."""
    return {row[0] for row in connection.execute("SELECT digest FROM payload_references")}


def holders(connection: sqlite3.Connection) -> list[tuple[str, int, bytes]]:
    """The rows of the references."""
    return connection.execute(
        "SELECT holder, seq, digest FROM payload_references ORDER BY holder, seq, digest"
    ).fetchall()


def _tables(connection: sqlite3.Connection) -> list[str]:
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return [name for (name,) in found if name not in {"payload_references", "sqlite_sequence"}]
