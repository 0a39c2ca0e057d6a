"""Reads lists of instances: which index drives, and how far it is walked.

A list is read along one index, in its order where that is the order asked for. What an index cannot
decide is tested row by row: in windows, so that a filter that matches nothing ends.
"""

import itertools
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from services.scheduler.store.filters import ROOT, Column, Filter, Key, Sort

# Totals are counted up to here, and so many rows are sorted where no index has their order.
COUNTED_MAX: Final = 10_000
# Rows that are tested one by one: in a step, for a page, and for a total.
WINDOW: Final = 5_000
TESTED_MAX: Final = 100_000
TESTED_FOR_TOTAL_MAX: Final = 10_000

_BY_CREATION: Final = "instances_by_creation"
_BY_ID: Final = "sqlite_autoindex_instances_1"
_INDEXES: Final[Mapping[str, tuple[str, ...]]] = {
    _BY_CREATION: (ROOT, "created_at"),
    "instances_by_update": (ROOT, "updated_at"),
    "instances_by_status": (ROOT, "status", "created_at"),
    "instances_by_name": (ROOT, "name", "created_at"),
    "instances_by_parent": ("parent_id", "created_at"),
    _BY_ID: ("instance_id",),
}
_SORTED: Final[Mapping[Column, str]] = {
    Column.CREATED_AT: _BY_CREATION,
    Column.LAST_UPDATED_AT: "instances_by_update",
    Column.NAME: "instances_by_name",
    Column.STATUS: "instances_by_status",
    Column.INSTANCE_ID: _BY_ID,
}
# The index that a condition asks for.
_ASKED_FOR: Final[Mapping[str, str]] = {
    ROOT: _BY_CREATION,
    "created_at": _BY_CREATION,
    "updated_at": "instances_by_update",
    "status": "instances_by_status",
    "name": "instances_by_name",
    "parent_id": "instances_by_parent",
    "instance_id": _BY_ID,
}
_TESTED: Final = "instance_id, name, status, parent_id, created_at, updated_at"

Fixed = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The keys of a page's rows, in order, and after which one to go on; None at the end."""

    keys: list[Key]
    after: Key | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """How many rows a filter shows; where it is not exact, there are at least so many."""

    number: int
    is_exact: bool


@dataclass(frozen=True, kw_only=True)
class Driver:
    """An index, cut into streams: parts in which its first columns have one value each."""

    index: str
    filter: Filter

    @cached_property
    def fixed(self) -> tuple[str, ...]:
        """Its first columns, as far as the filter says what they are."""
        choices = self.filter.choices
        return tuple(
            itertools.takewhile(lambda name: choices(name) is not None, _INDEXES[self.index])
        )

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The order of the rows of a stream."""
        return (*_INDEXES[self.index][len(self.fixed) :], "seq")

    @cached_property
    def streams(self) -> list[Fixed]:
        """The values of the first columns."""
        choices = [self.filter.choices(column) or () for column in self.fixed]
        products = itertools.product(*choices)
        return [tuple(zip(self.fixed, values, strict=True)) for values in products]

    def is_sorted_by(self, sort: Sort) -> bool:
        """Whether its streams are in this order."""
        return tuple(column for column in sort.key if column not in self.fixed) == self.order

    @cached_property
    def decided(self) -> list[str]:
        """The conditions that bound how far it is walked: those on its first free column.

        What stands behind a free column is tested entry by entry, like what it does not know.
        """
        return [test for column, test in self.filter.tests if column == self._bounded]

    @cached_property
    def undecided(self) -> list[str]:
        """The other ones."""
        known = {*self.fixed, self._bounded}
        return [test for column, test in self.filter.tests if column not in known]

    @property
    def _bounded(self) -> str:
        return self.order[0]

    def select(self, what: str, stream: Fixed, tests: Sequence[str]) -> str:
        """What to read of a stream."""
        where = [f"{column} = :f{n}" for n, (column, _value) in enumerate(stream)]
        conditions = " AND ".join([*where, *tests]) or "true"
        return f"SELECT {what} FROM instances INDEXED BY {self.index} WHERE {conditions}"  # noqa: S608 - constants

    def values(self, stream: Fixed, key: Sequence[Any] = (), end: Sequence[Any] = ()) -> Any:  # noqa: ANN401 - what sqlite3 binds
        """What the names in it stand for."""
        bound = dict(self.filter.values)
        bound.update((f"f{n}", value) for n, (_column, value) in enumerate(stream))
        bound.update((f"k{n}", value) for n, value in enumerate(key))
        bound.update((f"e{n}", value) for n, value in enumerate(end))
        return bound

    def count(self, connection: sqlite3.Connection, tests: Sequence[str], limit: int) -> int:
        """How many rows pass, up to a limit."""
        found = 0
        for stream in self.streams:
            rows = self.select("1", stream, tests)
            statement = f"SELECT count(*) FROM ({rows} LIMIT {limit - found})"  # noqa: S608 - constants
            found += connection.execute(statement, self.values(stream)).fetchone()[0]
            if found >= limit:
                break
        return int(found)


class Listing:
    """One list, read in one transaction."""

    def __init__(self, connection: sqlite3.Connection, asked: Filter, sort: Sort) -> None:
        self._connection = connection
        self._filter = asked
        self._sort = sort

    def page(self, after: Key | None, size: int) -> Page:
        """The keys of so many rows behind a key.

        A page may be short with more behind it: it then ends where it was looked for long enough.
        """
        driver = self.driver
        if driver.is_sorted_by(self._sort):
            return _Walk(self._connection, driver, self._sort).page(after, size)
        keys = self._gathered(driver, after, size + 1)
        return Page(keys=keys[:size], after=keys[size - 1] if len(keys) > size else None)

    @cached_property
    def driver(self) -> Driver:
        """The index to read along: the one with the fewest rows, or one in the order asked for."""
        by_order = Driver(index=_SORTED[self._sort.column], filter=self._filter)
        if not by_order.undecided:
            return by_order
        fewest = min(self._estimates, key=self._cost)
        if self._estimates[fewest] <= COUNTED_MAX:
            return self._drivers[fewest]
        sorted_ones = [name for name, d in self._drivers.items() if d.is_sorted_by(self._sort)]
        return self._drivers[min(sorted_ones, key=self._cost)]

    def total(self) -> Total:
        """How many rows there are on all pages."""
        name = min(self._estimates, key=self._cost)
        driver, estimate = self._drivers[name], self._estimates[name]
        tests = [*driver.decided, *driver.undecided]
        if not driver.undecided:
            number, is_exact = min(estimate, COUNTED_MAX), estimate <= COUNTED_MAX
        elif estimate <= COUNTED_MAX:
            number, is_exact = driver.count(self._connection, tests, COUNTED_MAX), True
        else:
            number, is_exact = self._sampled(driver)
        return Total(number=number, is_exact=is_exact)

    @cached_property
    def _drivers(self) -> dict[str, Driver]:
        asked = [_ASKED_FOR[column] for column, _test in self._filter.tests]
        names = dict.fromkeys([_SORTED[self._sort.column], *asked])
        return {name: Driver(index=name, filter=self._filter) for name in names}

    @cached_property
    def _estimates(self) -> dict[str, int]:
        """How many rows each index leaves to be tested, up to a bound."""
        return {
            name: driver.count(self._connection, driver.decided, COUNTED_MAX + 1)
            for name, driver in self._drivers.items()
        }

    def _cost(self, name: str) -> tuple[int, int]:
        return self._estimates[name], len(self._drivers[name].undecided)

    def _gathered(self, driver: Driver, after: Key | None, limit: int) -> list[Key]:
        """Few rows, sorted for the occasion."""
        sort = self._sort
        found: list[Key] = []
        tests = [*driver.decided, *driver.undecided]
        if after is not None:
            tests.append(_beyond(sort.key, descending=sort.descending))
        for stream in driver.streams:
            rows = driver.select(", ".join(sort.key), stream, tests)
            statement = f"{rows} ORDER BY {_order(sort.key, sort)} LIMIT {limit}"
            found += self._connection.execute(statement, driver.values(stream, after or ()))
        found.sort(reverse=sort.descending)
        return found[:limit]

    def _sampled(self, driver: Driver) -> tuple[int, bool]:
        """How many of the first rows pass; exact if those were all."""
        number, left = 0, TESTED_FOR_TOTAL_MAX
        for stream in driver.streams:
            rows = driver.select(_TESTED, stream, driver.decided)
            statement = (
                f"SELECT count(*), count(*) FILTER (WHERE {' AND '.join(driver.undecided)})"  # noqa: S608 - constants
                f" FROM ({rows} LIMIT {left})"
            )
            tested, passed = self._connection.execute(statement, driver.values(stream)).fetchone()
            number, left = number + passed, left - tested
            if left <= 0:
                break
        return min(number, COUNTED_MAX), left > 0 and number <= COUNTED_MAX


class _Walk:
    """Goes along an index that is in the order asked for."""

    def __init__(self, connection: sqlite3.Connection, driver: Driver, sort: Sort) -> None:
        self._connection = connection
        self._driver = driver
        self._sort = sort
        self._down = sort.descending

    def page(self, after: Key | None, size: int) -> Page:
        """The first of all streams, merged."""
        found: list[Key] = []
        ends: list[Key] = []
        windows = max(TESTED_MAX // WINDOW // len(self._driver.streams), 1)
        for stream in self._driver.streams:
            keys, end = self._read(stream, after, size + 1, windows)
            found += keys
            if end is not None:
                ends.append(end)
        found.sort(reverse=self._down)
        # Behind the nearest end, rows of that stream are missing.
        last = (max(ends) if self._down else min(ends)) if ends else None
        if last is not None:
            found = [key for key in found if (key >= last if self._down else key <= last)]
        if len(found) > size:
            return Page(keys=found[:size], after=found[size - 1])
        return Page(keys=found, after=last)

    def _read(
        self, stream: Fixed, after: Key | None, limit: int, windows: int
    ) -> tuple[list[Key], Key | None]:
        """The first keys of a stream, and where looking for more has ended, if it was cut short."""
        found: list[Key] = []
        start = self._start(stream, after)
        if start is None:
            return found, None
        for _ in range(windows):
            end = self._window_end(stream, start) if self._driver.undecided else None
            found += self._rows(stream, start, end, limit - len(found))
            if end is None or len(found) >= limit:
                return found, None
            start = end
        fixed = dict(stream)
        values = {**fixed, **dict(zip(self._driver.order, start, strict=True))}
        return found, tuple(values[column] for column in self._sort.key)

    def _start(self, stream: Fixed, after: Key | None) -> Key | None:
        """Where a stream begins, () for its head; None if all of it has been read."""
        if after is None:
            return ()
        reached = dict(zip(self._sort.key, after, strict=True))
        for column, value in stream:
            if column in reached and value != reached[column]:
                return () if (value < reached[column]) == self._down else None
        return tuple(reached[column] for column in self._driver.order)

    def _window_end(self, stream: Fixed, start: Key) -> Key | None:
        driver = self._driver
        rows = driver.select(", ".join(driver.order), stream, self._tests(start))
        order = _order(driver.order, self._sort)
        statement = f"{rows} ORDER BY {order} LIMIT 1 OFFSET {WINDOW - 1}"
        end: Key | None = self._connection.execute(
            statement, driver.values(stream, start)
        ).fetchone()
        return end

    def _rows(self, stream: Fixed, start: Key, end: Key | None, limit: int) -> list[Key]:
        driver = self._driver
        tests = [*self._tests(start), *driver.undecided]
        if end is not None:
            tests.append(_within(driver.order, descending=self._down))
        rows = driver.select(", ".join(self._sort.key), stream, tests)
        statement = f"{rows} ORDER BY {_order(driver.order, self._sort)} LIMIT {limit}"
        values = driver.values(stream, start, end or ())
        return self._connection.execute(statement, values).fetchall()

    def _tests(self, start: Key) -> list[str]:
        tests = list(self._driver.decided)
        if start:
            tests.append(_beyond(self._driver.order, descending=self._down))
        return tests


def _order(columns: Sequence[str], sort: Sort) -> str:
    return ", ".join(f"{column} {'DESC' if sort.descending else 'ASC'}" for column in columns)


def _beyond(columns: Sequence[str], *, descending: bool) -> str:
    names = ", ".join(f":k{n}" for n in range(len(columns)))
    return f"({', '.join(columns)}) {'<' if descending else '>'} ({names})"


def _within(columns: Sequence[str], *, descending: bool) -> str:
    names = ", ".join(f":e{n}" for n in range(len(columns)))
    return f"({', '.join(columns)}) {'>=' if descending else '<='} ({names})"
