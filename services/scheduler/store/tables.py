"""What every part of the store does with its connection: statements by their names."""

import sqlite3
from typing import Any

from services.scheduler.store.statements import SQL


class Tables:
    """Some tables, on a connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._execute = connection.execute

    def _one(self, name: str, values: Any = ()) -> tuple[Any, ...] | None:  # noqa: ANN401 - what sqlite3 binds
        row: tuple[Any, ...] | None = self._execute(SQL[name], values).fetchone()
        return row

    def _all(self, name: str, values: Any = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401 - what sqlite3 binds
        return self._execute(SQL[name], values).fetchall()

    def _insert(self, name: str, values: Any) -> int:  # noqa: ANN401 - what sqlite3 binds
        return int(self._execute(SQL[name], values).lastrowid or 0)
