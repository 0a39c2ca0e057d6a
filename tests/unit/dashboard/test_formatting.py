from datetime import UTC, datetime, timedelta

import pytest

from services.dashboard.formatting import absolute, duration, pretty, relative

NOW = datetime(2026, 11, 25, 18, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 ms"),
        (314, "314 ms"),
        (999, "999 ms"),
        (4_779, "4.77 s"),
        (59_999, "59.99 s"),
        (60_000, "1 m 0 s"),
        (7_500_000, "2 h 5 m"),
        (273_600_000, "3 d 4 h"),
    ],
)
def test_a_duration_is_said_in_two_units_at_most(ms: int, text: str) -> None:
    assert duration(ms) == text


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (timedelta(milliseconds=500), "just now"),
        (timedelta(seconds=12), "12 s ago"),
        (timedelta(minutes=119), "1 h ago"),
        (timedelta(days=40), "40 d ago"),
        (timedelta(minutes=-5), "in 5 m"),
        (timedelta(milliseconds=-1), "just now"),
    ],
)
def test_a_relative_time_is_said_in_one_unit(ago: timedelta, text: str) -> None:
    assert relative((NOW - ago).isoformat(), NOW) == text


def test_an_absolute_time_is_in_utc_to_the_millisecond() -> None:
    assert absolute("2026-11-25T19:44:45.973999+01:00") == "2026-11-25 18:44:45.973 UTC"


@pytest.mark.parametrize("text", ["not json", "{", "[" * 100_000])
def test_a_payload_that_is_no_json_is_shown_as_it_stands(text: str) -> None:
    assert pretty(text) == text


@pytest.mark.parametrize("token", ["1.10", "1e400", "12345678901234567890", '"a\\u00e9: {,}"'])
def test_a_payload_keeps_every_token(token: str) -> None:
    assert pretty(f'{{"a":{token},"a":[]}}') == f'{{\n  "a": {token},\n  "a": []\n}}'


def test_half_a_surrogate_pair_is_shown_as_its_escape() -> None:
    assert pretty('"\ud800"') == '"\\ud800"'


def test_a_deep_payload_grows_no_further_in() -> None:
    assert len(pretty("[" * 400 + "1" + "]" * 400)) < 800 * 82 + 1
