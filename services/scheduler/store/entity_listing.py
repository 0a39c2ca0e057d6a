"""Reads lists of entities in the order of their ids, in windows.

What a filter asks for beside a prefix is tested entity by entity: a filter that matches nothing
must end.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from services.scheduler.store.listing import COUNTED_MAX, TESTED_MAX, WINDOW, Total
from services.scheduler.store.statements import SQL

# Ids are printable ASCII: this is above all of them.
_ABOVE: Final = "\x7f"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntitySelection:
    """What a list of entities shows. Times in microseconds: from, and up to but not including."""

    prefix: str = ""
    modified_from: int | None = None
    modified_to: int | None = None
    # Also those that hold no state.
    transient: bool = False

    @property
    def values(self) -> dict[str, Any]:
        """What the statements' names stand for."""
        return {
            "prefix": self.prefix,
            "above": self.prefix + _ABOVE,
            "modified_from": self.modified_from,
            "modified_to": self.modified_to,
            "transient": self.transient,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityPage:
    """Rows, and after which id to go on; None at the end."""

    rows: list[tuple[Any, ...]]
    after: str | None


class EntityListing:
    """One list, read in one transaction."""

    def __init__(self, connection: sqlite3.Connection, asked: EntitySelection) -> None:
        self._connection = connection
        self._values = asked.values

    def page(self, after: str, size: int, *, full: bool, bytes_max: int) -> EntityPage:
        """Rows behind an id, with their states if `full`, until there are so many bytes of them.

        A page may be short with more behind it: it then ends where it was looked for long enough.
        """
        rows: list[tuple[Any, ...]] = []
        filled = 0
        end: str | None = after
        for values, end in self._windows(after):  # noqa: B007 - the last one is where to go on
            found = self._connection.execute(
                SQL["list_entities"], {**values, "full": full, "limit": size + 1 - len(rows)}
            )
            for row in found:
                if len(rows) == size or filled > bytes_max:
                    return EntityPage(rows=rows, after=rows[-1][1])
                rows.append(row)
                filled += len(row[2] or "")
        return EntityPage(rows=rows, after=end)

    def total(self) -> Total:
        """How many rows there are on all pages."""
        number, end = 0, None
        for values, end in self._windows(""):  # noqa: B007 - whether there is more
            limit = {"limit": COUNTED_MAX + 1 - number}
            row = self._connection.execute(SQL["count_entities"], values | limit).fetchone()
            number += row[0]
            if number > COUNTED_MAX:
                break
        is_exact = end is None and number <= COUNTED_MAX
        return Total(number=min(number, COUNTED_MAX), is_exact=is_exact)

    def _windows(self, after: str) -> Iterator[tuple[dict[str, Any], str | None]]:
        """The values of each window behind an id, and its last id; None for what is the rest."""
        for _ in range(max(TESTED_MAX // WINDOW, 1)):
            values = {**self._values, "after": after, "window": WINDOW}
            raw = self._connection.execute(SQL["entity_window"], values).fetchone()
            end = None if raw is None else str(raw[0])
            yield {**values, "end": values["above"] if end is None else end}, end
            if end is None:
                return
            after = end
