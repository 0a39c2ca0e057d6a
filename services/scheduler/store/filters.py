"""What a list of instances shows, and in which order.

Conditions are constants; the values that they compare with are always bound.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, Final

# Whether an instance is no sub-orchestration: the first column of most indexes.
ROOT: Final = "(parent_id IS NULL)"
# Ids are printable ASCII: this is above every one that begins with the text before it.
_ABOVE: Final = "\x7f"

Key = tuple[Any, ...]


class Column(StrEnum):
    """What a list can be sorted by."""

    CREATED_AT = "CREATED_AT"
    LAST_UPDATED_AT = "LAST_UPDATED_AT"
    NAME = "NAME"
    STATUS = "STATUS"
    INSTANCE_ID = "INSTANCE_ID"


_KEYS: Final[Mapping[Column, tuple[str, ...]]] = {
    Column.CREATED_AT: ("created_at", "seq"),
    Column.LAST_UPDATED_AT: ("updated_at", "seq"),
    Column.NAME: ("name", "created_at", "seq"),
    Column.STATUS: ("status", "created_at", "seq"),
    Column.INSTANCE_ID: ("instance_id", "seq"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort:
    """The order of a list. What is equal is in the order of creation, or against it."""

    column: Column = Column.CREATED_AT
    descending: bool = True

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that tell where a row stands."""
        return _KEYS[self.column]

    @property
    def key_types(self) -> tuple[type, ...]:
        """Their types."""
        return tuple(str if name in {"name", "instance_id"} else int for name in self.key)


@dataclass(frozen=True, kw_only=True)
class Filter:
    """What a list shows. Times in microseconds: from, and up to but not including."""

    statuses: tuple[int, ...] = ()
    name: str | None = None
    prefix: str | None = None
    created_from: int | None = None
    created_to: int | None = None
    updated_from: int | None = None
    updated_to: int | None = None
    parent_id: str | None = None
    roots_only: bool = False
    instance_ids: tuple[str, ...] | None = None

    @cached_property
    def values(self) -> dict[str, Any]:
        """What the statements' names stand for."""
        return {
            "name": self.name,
            "prefix": self.prefix,
            "above": None if self.prefix is None else self.prefix + _ABOVE,
            "created_from": self.created_from,
            "created_to": self.created_to,
            "updated_from": self.updated_from,
            "updated_to": self.updated_to,
            "parent_id": self.parent_id,
            "ids": json.dumps(self.instance_ids or ()),
        }

    @cached_property
    def tests(self) -> tuple[tuple[str, str], ...]:
        """Each condition, with the column that it is about."""
        asked = (
            (self.roots_only, ROOT, f"{ROOT} = 1"),
            (self.statuses, "status", f"status IN ({', '.join(map(str, self.statuses))})"),
            (self.name is not None, "name", "name = :name"),
            (self.parent_id is not None, "parent_id", "parent_id = :parent_id"),
            (self.prefix, "instance_id", "instance_id >= :prefix AND instance_id < :above"),
            (
                self.instance_ids is not None,
                "instance_id",
                "instance_id IN (SELECT value FROM json_each(:ids))",
            ),
            (self.created_from is not None, "created_at", "created_at >= :created_from"),
            (self.created_to is not None, "created_at", "created_at < :created_to"),
            (self.updated_from is not None, "updated_at", "updated_at >= :updated_from"),
            (self.updated_to is not None, "updated_at", "updated_at < :updated_to"),
        )
        return tuple((column, test) for is_asked, column, test in asked if is_asked)

    @property
    def is_counted(self) -> bool:
        """Whether the kept counts tell how many it shows."""
        return {column for column, _test in self.tests} <= {ROOT, "status"}

    def choices(self, column: str) -> tuple[Any, ...] | None:
        """The values that a column may have; None for any."""
        if column == ROOT:
            return (1,) if self.roots_only else (0, 1)
        if column == "status":
            return self.statuses or None
        value = {"name": self.name, "parent_id": self.parent_id}.get(column)
        return None if value is None else (value,)
