"""A data directory with many finished instances: a few real ones, copied in SQL.

A scheduler and a worker make a family of a parent and its children; their rows, histories
included, are copied under new ids and earlier times until there are enough. Whatever columns the
schema has go along.
"""

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.bench.errors import BenchError
from scripts.bench.noise import Noise
from scripts.bench.rigs import rig
from scripts.bench.servers import embedded_scheduler

_CHILDREN: Final = 9
_FAMILY: Final = _CHILDREN + 1
# Between one family and the next: a hundred thousand of them are younger than any retention.
_APART_MICROSECONDS: Final = 5_000_000
# Numbers of the protocol.
_FAILED: Final = 3
_TERMINATED: Final = 5
_TIMES: Final = frozenset({"created_at", "updated_at", "completed_at", "scheduled_at"})

_COPIES: Final = """
CREATE TEMP TABLE copies AS
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :copies)
SELECT n, lower(hex(randomblob(16))) AS id FROM numbers
"""
# One in 50 has failed, one in 50 was terminated, and roots have five names.
_CHANGED: Final = {
    "seq": f"n * {_FAMILY} + seq",
    "instance_id": "replace(instance_id, :root, id)",
    "parent_id": "replace(parent_id, :root, id)",
    "name": "iif(parent_id IS NULL, name || '-' || n % 5, name)",
    "status": f"CASE n % 50 WHEN 0 THEN {_FAILED} WHEN 1 THEN {_TERMINATED} ELSE status END",
    **{time: f"{time} - (:copies - n + 1) * {_APART_MICROSECONDS}" for time in sorted(_TIMES)},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Furnished:
    """A data directory, and how many instances were counted in it."""

    data: Path
    instances: int


def furnish(folder: Path, instances: int) -> Furnished:
    """Makes a data directory with at least so many finished instances, in `folder`.

    Raises `BenchError` when the schema is not what this copies.
    """
    with rig("furnish", embedded_scheduler, folder, workers=1) as made:
        made.run(_CHILDREN, 1, Noise())
    data = folder / "furnish" / "data"
    database = data / "default.db"
    try:
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            count = _copy(connection, max(1, -(-instances // _FAMILY) - 1))
    except sqlite3.Error as error:
        raise BenchError(f"the store cannot be furnished: {error}") from error
    # What the system still has to write would be written while others are measured.
    with database.open("rb") as file:
        os.fsync(file.fileno())
    return Furnished(data=data, instances=count)


def _copy(connection: sqlite3.Connection, copies: int) -> int:
    """Makes the copies; returns how many instances there are then."""
    execute = connection.execute
    execute("PRAGMA synchronous = OFF")
    execute("PRAGMA cache_size = -262144")
    roots = execute("SELECT instance_id FROM instances WHERE parent_id IS NULL").fetchall()
    (count,) = execute("SELECT count(*) FROM instances").fetchone()
    if len(roots) != 1 or count != _FAMILY:
        raise BenchError(f"one run made {count} instances with {len(roots)} roots, not {_FAMILY}")
    execute(_COPIES, {"copies": copies})
    execute("CREATE TEMP TABLE family AS SELECT * FROM instances")
    execute("CREATE TEMP TABLE chapters AS SELECT * FROM histories")
    execute("BEGIN")
    given = {"copies": copies, "root": roots[0][0]}
    _insert(connection, "instances", "family", _CHANGED, given)
    _insert(connection, "histories", "chapters", {"instance": f"n * {_FAMILY} + instance"}, {})
    execute("COMMIT")
    execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    (count,) = execute("SELECT count(*) FROM instances").fetchone()
    return int(count)


def _insert(
    connection: sqlite3.Connection,
    table: str,
    source: str,
    changed: dict[str, str],
    given: dict[str, object],
) -> None:
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    values = ", ".join(changed.get(column, column) for column in columns)
    # Names and expressions of our own, and of the schema.
    connection.execute(
        f"INSERT INTO {table} ({', '.join(columns)})"  # noqa: S608 - no text of anybody else
        f" SELECT {values} FROM copies CROSS JOIN {source} ORDER BY n, {source}.rowid",
        given,
    )
