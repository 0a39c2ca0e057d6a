"""Rows 9 and 10: how fast a scheduler with a full disk starts, and answers."""

import itertools
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx

from scripts.bench.disk import bytes_below
from scripts.bench.errors import BenchError
from scripts.bench.furnishing import Furnished, furnish
from scripts.bench.readings import Measured, Reading, Target
from scripts.bench.samples import Spread
from scripts.bench.servers import stack_of
from scripts.bench.session import Session

_START: Final = Target(comparison="<", bound=2.0)
_ANSWER: Final = Target(comparison="<", bound=50.0)
_TIMES: Final = 30
_WARM_UP: Final = 3
_ANSWER_SECONDS_MAX: Final = 60
_ORCHESTRATIONS: Final = "/v1/taskhubs/orchestrations"
_FAILED: Final = "ORCHESTRATION_STATUS_FAILED"
# What people look at. All of them begin at the newest.
_LISTS: Final[dict[str, dict[str, Any]]] = {
    "all": {},
    "roots": {"filter": {"hideSubOrchestrations": True}},
    "failed": {"filter": {"statuses": [_FAILED]}},
    "of a name": {"filter": {"name": "submission-3"}},
    "of a name, failed": {"filter": {"name": "batch", "statuses": [_FAILED]}},
    "by change": {"sort": [{"column": "LAST_UPDATED_AT", "direction": "DESCENDING_SORT"}]},
    "by name": {"sort": [{"column": "NAME", "direction": "ASCENDING_SORT"}]},
    "of many ids": {"filter": {"instanceIdPrefix": "a"}},
}


def measure_start(session: Session) -> Measured:
    """Row 9: from the start of the process to the line that says that it serves."""
    furnished = _furnished(session)
    data = furnished.data
    found = []
    for _ in range(session.rounds):
        session.noise.look()
        begun = time.perf_counter()
        with _stack(data):
            found.append(time.perf_counter() - begun)
    empty = _start_of_an_empty_one(session)
    reading = Reading(
        label="start",
        spread=Spread.of(found),
        target=_START,
        unit="s",
        detail=f"{furnished.instances:,} instances, {bytes_below(data.parent) / 1e9:.2f} GB;"
        f" an empty one starts in {empty:.2f} s",
    )
    return Measured(readings=(reading,), series={"seconds": found, "emptySeconds": empty})


def measure_answers(session: Session) -> Measured:
    """Row 10: a list's page, the counts and one instance, as the management API answers them."""
    data = _furnished(session).data
    with ExitStack() as opened:
        session.noise.look()
        stack = opened.enter_context(_stack(data, dashboard=True))
        http = opened.enter_context(
            httpx.Client(
                base_url=f"http://127.0.0.1:{stack.http_port}",
                headers={"x-taskhub": "default"},
                timeout=_ANSWER_SECONDS_MAX,
            )
        )
        pages = opened.enter_context(
            httpx.Client(base_url=stack.dashboard, timeout=_ANSWER_SECONDS_MAX)
        )
        found = _lists(http)
        ids = itertools.cycle(_ids(http))
        found["counts"] = _milliseconds(lambda: http.get("/v1/taskhubs"))
        found["one instance"] = _milliseconds(lambda: http.get(f"{_ORCHESTRATIONS}/{next(ids)}"))
        found["dashboard"] = _milliseconds(lambda: pages.get("/hubs/default/orchestrations"))
    session.noise.look()
    lists = {name: times for name, times in found.items() if name.startswith("list ")}
    slowest = max(lists, key=lambda name: Spread.of(lists[name]).value)
    readings = (
        _reading("list page", found[slowest], f"the slowest of {len(lists)}: {slowest}"),
        _reading("counts", found["counts"], "of all task hubs"),
        _reading("one instance", found["one instance"], f"{len(_LISTS)} lists' instances in turn"),
        _reading("list page of the dashboard", found["dashboard"], "HTML, through both processes"),
    )
    return Measured(readings=readings, series={"milliseconds": found})


def _furnished(session: Session) -> Furnished:
    def make() -> Furnished:
        session.say(f"million: furnishing a store with {session.sizes.instances:,} instances")
        return furnish(session.new_folder("million"), session.sizes.instances)

    return session.shared("million", make)


def _stack(data: Path, *, dashboard: bool = False) -> Any:  # noqa: ANN401 - a context of a stack
    # The data directory is where a stack in this folder keeps its own.
    return stack_of(data.parent, dashboard=dashboard)


def _start_of_an_empty_one(session: Session) -> float:
    begun = time.perf_counter()
    with stack_of(session.new_folder("empty")):
        return time.perf_counter() - begun


def _query(http: httpx.Client, body: dict[str, Any]) -> httpx.Response:
    return http.post(f"{_ORCHESTRATIONS}/query", json=body)


def _lists(http: httpx.Client) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for name, body in _LISTS.items():
        found[f"list {name}"] = _milliseconds(partial(_query, http, body))
    cursor = _query(http, {}).json()["nextCursor"]
    following = {"pagination": {"cursor": cursor}} if cursor else {}
    found["list all, next page"] = _milliseconds(lambda: _query(http, following))
    return found


def _ids(http: httpx.Client) -> list[str]:
    """Instances from all over the store, ready for a path."""
    return [
        quote(row["instanceId"], safe="")
        for body in _LISTS.values()
        for row in _query(http, body).json()["orchestrations"]
    ]


def _milliseconds(ask: Callable[[], httpx.Response]) -> list[float]:
    """How long each of many answers took."""
    found = []
    for number in range(_WARM_UP + _TIMES):
        begun = time.perf_counter()
        try:
            ask().raise_for_status()
        except httpx.HTTPError as error:
            raise BenchError(f"the management API does not answer: {error}") from error
        if number >= _WARM_UP:
            found.append(1e3 * (time.perf_counter() - begun))
    return found


def _reading(label: str, milliseconds: list[float], detail: str) -> Reading:
    return Reading(
        label=label, spread=Spread.of(milliseconds), target=_ANSWER, unit="ms", detail=detail
    )
