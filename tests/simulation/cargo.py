"""Tokens of the payload store in what everybody sends, and whether the hub holds them all."""

import sqlite3
from collections import defaultdict

from services.shared.payload_files import token_of
from tests.simulation.tables import Picture, Row
from tests.simulation.violation import Violation
from tests.store.payload_names import TOKENS, holders, named

_HOLDERS = """
SELECT 'instance', seq FROM instances
UNION ALL SELECT 'entity', seq FROM entities
UNION ALL SELECT 'operation', seq FROM operations
UNION ALL SELECT 'signal', seq FROM alarms WHERE instance IS NULL
"""


def cargo(*of: object) -> str:
    """The token of a payload of somebody's own."""
    return token_of(":".join(map(str, of)).encode())


def hold(look: sqlite3.Connection, now: Picture) -> None:
    """Raises `Violation` where bytes name what nobody holds, or where nobody holds something."""
    held: dict[tuple[str, int], set[bytes]] = defaultdict(set)
    for holder, seq, digest in holders(look):
        held[holder, seq].add(digest)
    gone = held.keys() - set(look.execute(_HOLDERS).fetchall())
    if gone:
        raise Violation(f"payloads are held for {sorted(gone)}, which are gone")
    lost = named(look) - set().union(*held.values())
    if lost:
        raise Violation(f"payloads are named and not held: {sorted(one.hex() for one in lost)}")
    for row in now.rows.values():
        lost = _named_by(row) - held["instance", row.seq]
        if lost:
            raise Violation(f"{row} names what it does not hold: {[one.hex() for one in lost]}")


def _named_by(row: Row) -> set[bytes]:
    events = (event.SerializeToString() for event in (*row.inbox, *row.alarms))
    stored = b" ".join(((row.given or "").encode(), *row.chunks, *events))
    return {bytes.fromhex(digits.decode()) for digits in TOKENS.findall(stored)}
