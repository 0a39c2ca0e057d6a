"""What is read from bodies, and the cursors that lead from page to page."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.scheduler.errors import BadRequestError
from services.scheduler.http.asks import (
    AddHistory,
    HistoryParameters,
    Pagination,
    PurgeParameters,
    QueryOrchestrations,
)
from services.scheduler.http.models import StatusName, micros_of
from services.scheduler.http.routes import OPERATIONS
from services.scheduler.http.states import time_of
from services.scheduler.hub.cursors import position, token
from services.scheduler.store.filters import Column, Sort

MICROS = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)
NUMBERS = st.integers(-(2**63) + 1, 2**63 - 1)


@given(micros=MICROS)
def test_a_time_that_was_given_can_be_sent_back_as_it_is(micros: int) -> None:
    body = f'{{"filter": {{"createdFrom": "{time_of(micros)}"}}}}'
    asked = QueryOrchestrations.model_validate_json(body)
    assert micros_of(asked.filter.created_from) == micros


def test_a_time_of_another_zone_is_the_same_time() -> None:
    body = '{"filter": {"createdFrom": "2026-03-01T13:00:00+01:00"}}'
    asked = QueryOrchestrations.model_validate_json(body)
    assert asked.filter.created_from == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert time_of(micros_of(asked.filter.created_from)) == "2026-03-01T12:00:00.000000Z"
    assert time_of(None) is None


@pytest.mark.parametrize("status", StatusName)
def test_statuses_have_the_protocols_names(status: StatusName) -> None:
    body = f'{{"filter": {{"statuses": ["{status.value}"]}}}}'
    (read,) = QueryOrchestrations.model_validate_json(body).filter.statuses
    assert read is status
    assert status.value == f"ORCHESTRATION_STATUS_{status.name}"


def test_an_empty_body_asks_for_the_newest() -> None:
    asked = QueryOrchestrations.model_validate_json("{}")
    assert (asked.pagination.count, asked.sort, asked.fields) == (50, [], [])
    assert Sort() == Sort(column=Column.CREATED_AT, descending=True)


@pytest.mark.parametrize("body", ["{}", '{"executionResumed": {}, "eventRaised": {"name": "a"}}'])
def test_a_history_takes_one_event_at_a_time(body: str) -> None:
    with pytest.raises(ValidationError, match="exactly one of executionSuspended"):
        AddHistory.model_validate_json(body)


def test_a_page_is_named_in_one_way() -> None:
    with pytest.raises(ValidationError, match="not both"):
        Pagination.model_validate_json('{"cursor": "a", "startIndex": 1}')


def test_parameters_are_texts_that_are_read() -> None:
    read = HistoryParameters.model_validate({"count": "7", "payloadChars": "0"})
    assert (read.count, read.payload_chars, read.cursor) == (7, 0, None)
    assert PurgeParameters.model_validate({"recursive": "true"}).recursive is True


@given(label=st.text(max_size=9), name=st.text(max_size=9), created=NUMBERS, seq=NUMBERS)
def test_a_cursor_holds_any_key(label: str, name: str, created: int, seq: int) -> None:
    key = [label, name, created, seq]
    assert position(token(*key).value, (str, str, int, int)) == key


@pytest.mark.parametrize(
    "forged",
    [
        "x", "=", "é", "WyJcdWQ4MDAiLDFd", token().value, token(1).value,
        token("a", None).value, token("a", 1.0).value, token("a", 2**63).value,
        token(*("a", True)).value,
    ],
)  # fmt: skip
def test_what_is_no_cursor_is_refused(forged: str) -> None:
    with pytest.raises(BadRequestError, match="Invalid cursor"):
        position(forged, (str, int), what="cursor")


def test_no_cursor_is_the_beginning() -> None:
    assert position("", (str, int)) is None


def test_operations_have_names_and_addresses_of_their_own() -> None:
    assert len({operation.name for operation in OPERATIONS}) == len(OPERATIONS)
    assert len({(o.method, o.path) for o in OPERATIONS}) == len(OPERATIONS)
