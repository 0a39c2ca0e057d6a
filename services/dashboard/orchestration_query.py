"""What an address of the list of orchestrations asks for, and back: filters, sort and page.

An address keeps a relative range (`from=1h`) as such, so that a saved view means the same tomorrow.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from services.dashboard.addresses import orchestrations_url
from services.dashboard.errors import BadAddressError
from services.dashboard.formatting import absolute, iso, parse_time
from services.dashboard.statuses import BY_KEY

COUNTS: Final = (50, 100, 200)
# Preset ranges, as the address writes them.
RANGES: Final = {
    "15m": "Last 15 minutes",
    "1h": "Last hour",
    "24h": "Last 24 hours",
    "7d": "Last 7 days",
    "30d": "Last 30 days",
}
# A heading's name in the address: the API's column, and the direction of its first click.
COLUMNS: Final = {
    "created": ("CREATED_AT", "desc"),
    "updated": ("LAST_UPDATED_AT", "desc"),
    "name": ("NAME", "asc"),
    "status": ("STATUS", "asc"),
    "id": ("INSTANCE_ID", "asc"),
}
_DIRECTIONS: Final = {"asc": "ASCENDING_SORT", "desc": "DESCENDING_SORT"}
_RELATIVE: Final = re.compile(r"([0-9]{1,5})([mhd])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}
_IDS_MAX: Final = 200
_STEP_SECONDS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """A filter that is on, and the address without it."""

    label: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrchestrationQuery:
    """One question to the list; `ids` asks for these alone, whatever the filters say."""

    statuses: tuple[str, ...] = ()
    name: str = ""
    prefix: str = ""
    created_from: str = ""
    created_to: str = ""
    with_children: bool = False
    sort: str = "created"
    direction: str = "desc"
    count: int = COUNTS[0]
    cursor: str = ""
    page: int = 1
    ids: tuple[str, ...] = ()

    @classmethod
    def parse(cls, parameters: QueryParams) -> Self:
        """Reads an address; raises `BadAddressError` naming what is wrong with it."""
        sort = _one_of("sort", parameters.get("sort", "created"), COLUMNS)
        query = cls(
            statuses=tuple(
                dict.fromkeys(
                    _one_of("status", key, BY_KEY) for key in parameters.getlist("status")
                )
            ),
            name=parameters.get("name", ""),
            prefix=parameters.get("prefix", ""),
            created_from=parameters.get("from", ""),
            created_to=parameters.get("to", ""),
            with_children=parameters.get("sub", "") == "1",
            sort=sort,
            direction=_one_of("dir", parameters.get("dir", COLUMNS[sort][1]), _DIRECTIONS),
            count=int(_one_of("count", parameters.get("count", "50"), map(str, COUNTS))),
            cursor=parameters.get("cursor", ""),
            page=_page(parameters.get("page", "1")),
            ids=tuple(parameters.getlist("id")[:_IDS_MAX]),
        )
        for name, text in (("from", query.created_from), ("to", query.created_to)):
            if text:
                _moment(name, text, datetime.now(UTC))
        return query

    def body(self, now: datetime) -> dict[str, Any]:
        """The question as the API reads it."""
        if self.ids:
            found: dict[str, Any] = {"instanceIds": list(self.ids)}
        else:
            found = {
                "statuses": [BY_KEY[key].code for key in self.statuses],
                "name": self.name,
                "instanceIdPrefix": self.prefix,
                "createdFrom": self.created_from and iso(_moment("from", self.created_from, now)),
                "createdTo": self.created_to and iso(_moment("to", self.created_to, now)),
                "hideSubOrchestrations": not self.with_children,
            }
        pagination: dict[str, Any] = {"count": _IDS_MAX if self.ids else self.count}
        if self.cursor:
            pagination["cursor"] = self.cursor
        column, _first = COLUMNS[self.sort]
        return {
            "filter": {name: value for name, value in found.items() if value not in ("", [])},
            "pagination": pagination,
            "sort": [{"column": column, "direction": _DIRECTIONS[self.direction]}],
        }

    def url(self, hub: str) -> str:
        """The address that asks this; what is as it is by default is left out."""
        pairs = [("status", key) for key in self.statuses]
        pairs += [("name", self.name), ("prefix", self.prefix)]
        pairs += [("from", self.created_from), ("to", self.created_to)]
        pairs.append(("sub", "1" if self.with_children else ""))
        if (self.sort, self.direction) != ("created", "desc"):
            pairs += [("sort", self.sort), ("dir", self.direction)]
        pairs.append(("count", "" if self.count == COUNTS[0] else str(self.count)))
        pairs.append(("cursor", self.cursor))
        pairs.append(("page", str(self.page) if self.page > 1 else ""))
        address = orchestrations_url(hub)
        written = urlencode([(name, value) for name, value in pairs if value])
        return f"{address}?{written}" if written else address

    def first_page(self) -> Self:
        """The same question, from its first page on."""
        return replace(self, cursor="", page=1)

    def next_page(self, cursor: str) -> Self:
        """What comes after this page."""
        return replace(self, cursor=cursor, page=self.page + 1)

    def without_statuses(self) -> Self:
        """With every status."""
        return replace(self.first_page(), statuses=())

    def toggled(self, key: str) -> Self:
        """With this status alone, or with none when it was alone."""
        return replace(self.first_page(), statuses=() if self.statuses == (key,) else (key,))

    def with_status(self, key: str) -> Self:
        """With this status added, or taken away."""
        rest = tuple(one for one in self.statuses if one != key)
        return replace(
            self.first_page(), statuses=rest if key in self.statuses else (*self.statuses, key)
        )

    def sorted_by(self, column: str) -> Self:
        """Sorted by a heading; its second click turns the order around."""
        direction = COLUMNS[column][1]
        if column == self.sort:
            direction = "asc" if self.direction == "desc" else "desc"
        return replace(self.first_page(), sort=column, direction=direction)

    def cleared(self) -> Self:
        """Without filters; sort and page size stay."""
        return type(self)(sort=self.sort, direction=self.direction, count=self.count)

    def chips(self, hub: str) -> list[Chip]:
        """One for each filter that is on."""
        without = [(BY_KEY[key].word, self.with_status(key)) for key in self.statuses]
        if self.name:
            without.append((f"Name is {self.name}", replace(self.first_page(), name="")))
        if self.prefix:
            without.append((f"Id begins with {self.prefix}", replace(self.first_page(), prefix="")))
        if self.created_from:
            label = RANGES.get(self.created_from) or f"Created from {_shown(self.created_from)}"
            without.append((label, replace(self.first_page(), created_from="")))
        if self.created_to:
            label = f"Created until {_shown(self.created_to)}"
            without.append((label, replace(self.first_page(), created_to="")))
        if self.with_children:
            without.append(
                ("With sub-orchestrations", replace(self.first_page(), with_children=False))
            )
        return [Chip(label=label, url=query.url(hub)) for label, query in without]


def _one_of(name: str, value: str, allowed: Iterable[str] | Mapping[str, object]) -> str:
    choices = tuple(allowed)
    if value in choices:
        return value
    raise BadAddressError(f"{name}={value!r} in the address: one of {', '.join(choices)} is meant")


def _page(text: str) -> int:
    if re.fullmatch(r"[1-9][0-9]{0,6}", text):
        return int(text)
    raise BadAddressError(f"page={text!r} in the address: a number from 1 is meant")


def _moment(name: str, text: str, now: datetime) -> datetime:
    relative = _RELATIVE.fullmatch(text)
    try:
        if relative is None:
            return parse_time(text).astimezone(UTC)
        # Whoever asks again within these seconds asks the same, and learns that nothing changed.
        step = now.replace(second=now.second // _STEP_SECONDS * _STEP_SECONDS, microsecond=0)
        return step - timedelta(**{_UNITS[relative[2]]: int(relative[1])})
    except (ValueError, OverflowError):
        raise BadAddressError(
            f"{name}={text!r} in the address: a time such as 2026-11-25T18:00Z is meant,"
            " or how long ago, such as 15m, 24h or 7d"
        ) from None


def _shown(text: str) -> str:
    if _RELATIVE.fullmatch(text):
        return f"{text} ago"
    return absolute(text).replace(".000 UTC", " UTC")
