from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.datastructures import QueryParams

from services.dashboard.errors import BadAddressError
from services.dashboard.orchestration_query import OrchestrationQuery

NOW = datetime(2026, 11, 25, 18, 0, tzinfo=UTC)


def parse(address: str) -> OrchestrationQuery:
    return OrchestrationQuery.parse(QueryParams(address))


def filter_of(address: str) -> dict[str, Any]:
    found: dict[str, Any] = parse(address).body(NOW)["filter"]
    return found


def test_without_filters_the_newest_come_first_and_sub_orchestrations_are_hidden() -> None:
    assert parse("").body(NOW) == {
        "filter": {"hideSubOrchestrations": True},
        "pagination": {"count": 50},
        "sort": [{"column": "CREATED_AT", "direction": "DESCENDING_SORT"}],
    }


def test_every_filter_of_the_address_reaches_the_scheduler() -> None:
    address = "status=failed&status=running&name=a&prefix=b&sub=1&to=2026-11-25T10:00&from=1h"
    assert filter_of(address) == {
        "statuses": ["ORCHESTRATION_STATUS_FAILED", "ORCHESTRATION_STATUS_RUNNING"],
        "name": "a",
        "instanceIdPrefix": "b",
        "createdFrom": "2026-11-25T17:00:00.000000Z",
        "createdTo": "2026-11-25T10:00:00.000000Z",
        "hideSubOrchestrations": False,
    }


@pytest.mark.parametrize(
    "address",
    [
        "",
        "status=failed&status=running&name=a+b&prefix=%26&from=7d&to=2026-11-25T10%3A00Z&sub=1",
        "sort=name&dir=asc&count=200&cursor=abc&page=3",
    ],
)
def test_an_address_reads_back_as_itself(address: str) -> None:
    written = parse(address).url("h")
    assert written == "/hubs/h/orchestrations" + (f"?{address}" if address else "")


@pytest.mark.parametrize(
    "address",
    ["status=done", "sort=size", "dir=up", "count=7", "page=0", "from=yesterday", "to=2026-13-01"],
)
def test_a_value_that_makes_no_sense_is_refused_by_name(address: str) -> None:
    name, _, value = address.partition("=")
    with pytest.raises(BadAddressError, match=f"{name}='{value}'"):
        parse(address)


def test_a_range_of_any_length_is_taken() -> None:
    assert "createdFrom" in filter_of("from=99999d")


def test_each_filter_has_a_chip_that_takes_it_away() -> None:
    chips = parse("status=failed&name=a&cursor=c&page=2&from=1h").chips("h")
    assert [(chip.label, chip.url.partition("?")[2]) for chip in chips] == [
        ("Failed", "name=a&from=1h"),
        ("Name is a", "status=failed&from=1h"),
        ("Last hour", "status=failed&name=a"),
    ]


def test_a_second_click_on_a_heading_turns_the_order_around() -> None:
    once = parse("").sorted_by("name")
    twice = once.sorted_by("name")
    assert [(query.sort, query.direction) for query in (once, twice)] == [
        ("name", "asc"),
        ("name", "desc"),
    ]


def test_a_status_alone_is_taken_away_by_its_second_click() -> None:
    assert parse("status=failed").toggled("failed").statuses == ()
    assert parse("status=failed").toggled("running").statuses == ("running",)
    assert parse("status=failed").with_status("running").statuses == ("failed", "running")


def test_ids_are_asked_for_whatever_the_filters_say() -> None:
    assert filter_of("id=a&id=b&name=c") == {"instanceIds": ["a", "b"]}


@pytest.mark.parametrize("name", ["from", "to"])
@pytest.mark.parametrize("text", ["0001-01-01T00:00:00%2B05:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_no_calendar_has_is_told_by_its_name(name: str, text: str) -> None:
    with pytest.raises(BadAddressError, match=f"{name}="):
        parse(f"{name}={text}")


def test_a_relative_range_is_the_same_question_for_some_seconds() -> None:
    moments = [NOW.replace(second=21, microsecond=5), NOW.replace(second=29)]
    one, other = (parse("from=1h").body(moment)["filter"] for moment in moments)
    assert one == other
