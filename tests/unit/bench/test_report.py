import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from scripts.bench.options import Options, Sizes
from scripts.bench.plots import draw
from scripts.bench.readings import Comparison, Measured, NotMeasured, Reading, Result, Target
from scripts.bench.report import Report, markdown, range_of, target_of, text_of, verdict_of
from scripts.bench.rows import FIRST, KEYS, ROWS
from scripts.bench.samples import Spread
from scripts.bench.session import Session
from scripts.bench.terminal import show

MACHINE = {"machine": "a machine, 2 cores", "commit": "0123456789ab"}


def reading(
    value: float, comparison: Comparison = ">=", bound: float = 1.0, *, unit: str = ""
) -> Reading:
    return Reading(
        label="2 workers",
        spread=Spread(value=value, low=value - 0.1, high=value + 0.1, count=3),
        target=Target(comparison=comparison, bound=bound),
        unit=unit,
        detail="1,200 against 1,000 orders/s",
    )


def report_of(results: Mapping[str, Result], sizes: Sizes | None = None) -> Report:
    options = Options(
        rows=tuple(results),
        rounds=3,
        sizes=sizes or Sizes(),
        directory=None,
        output=Path("nowhere"),
    )
    return Report(
        started=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        seconds=12.34,
        machine=MACHINE,
        session=Session(options=options, folder=Path("nowhere"), say=lambda _text: None),
        results=results,
    )


def run(variant: str, workers: int, seconds: float) -> dict[str, object]:
    return {
        "variant": variant,
        "workers": workers,
        "orders": 100,
        "seconds": seconds,
        "server_cpu": 0.1,
        "workers_cpu": 0.2,
    }


MIXED: dict[str, Result] = {
    "throughput": Measured(
        readings=(reading(1.2), reading(0.9)),
        series={"runs": [run("durable, 1 worker", 1, 0.1), run("in memory, 1 worker", 1, 0.2)]},
    ),
    "tabs": NotMeasured(why="there is no browser\n  tail of a log"),
}


@pytest.mark.parametrize(
    ("comparison", "value", "met"),
    [
        (">=", 1.0, True),
        (">=", 0.9, False),
        ("<=", 1.0, True),
        ("<=", 1.1, False),
        ("<", 1.0, False),
    ],
)
def test_a_target_is_met_on_its_side_of_the_bound(
    comparison: Comparison, value: float, *, met: bool
) -> None:
    assert reading(value, comparison).met is met


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.0449, "", "1.04"),
        (0.0123, "s", "0.012 s"),
        (69.44, "MiB", "69.4 MiB"),
        (1234.5, "", "1,234"),
        (-2.345, "%", "-2.35 %"),
        (0.0, "%", "0.000 %"),
    ],
)
def test_a_value_is_shown_with_three_digits_that_count(value: float, unit: str, text: str) -> None:
    assert text_of(value, unit) == text


def test_a_reading_is_told_with_its_range_target_and_verdict() -> None:
    shown = reading(1.5, "<=", 1.4, unit="ms")
    assert range_of(shown) == "1.40 to 1.60 of 3"
    assert target_of(shown) == "≤ 1.4 ms"
    assert verdict_of(shown) == "missed"


def test_one_measurement_has_no_range() -> None:
    once = Reading(
        label="", spread=Spread.of([3.0]), target=Target(comparison="<", bound=5), detail=""
    )
    assert range_of(once) == "once"


def test_a_document_names_every_row_with_what_it_came_to() -> None:
    document = json.loads(report_of(MIXED).as_json())
    first, second = document["rows"]
    assert (first["number"], first["key"], first["status"]) == (1, "throughput", "missed")
    assert [each["status"] for each in first["readings"]] == ["met", "missed"]
    assert first["readings"][0]["value"] == 1.2
    assert (second["number"], second["status"]) == (11, "not measured")
    assert second["why"].startswith("there is no browser")
    assert document["machine"] == MACHINE
    assert document["changedSizes"] == {}


def test_a_report_in_which_a_row_is_missing_is_not_complete() -> None:
    assert not report_of(MIXED).is_complete
    assert report_of({"throughput": MIXED["throughput"]}).is_complete


def test_markdown_has_a_line_for_every_reading_and_for_what_is_missing() -> None:
    text = markdown(report_of(MIXED, Sizes(orders=10)), {"A picture": "picture.svg"})
    assert "| 2 workers | 1.20 | 1.10 to 1.30 of 3 | ≥ 1 | met |" in text
    assert "| 2 workers | 0.900 | 0.800 to 1.00 of 3 | ≥ 1 | missed |" in text
    assert "| not measured: there is no browser tail of a log |" in text
    assert "sizes other than the targets speak of**: orders 10" in text
    assert "![A picture](picture.svg)" in text


def test_the_terminal_shows_the_same() -> None:
    console = Console(file=io.StringIO(), width=120)
    show(console, report_of(MIXED))
    assert isinstance(console.file, io.StringIO)
    printed = console.file.getvalue()
    assert "1.10 to 1.30 of 3" in printed
    assert "not measured" in printed
    assert "there is no browser" in printed
    assert "tail of a log" not in printed


def test_only_what_was_measured_is_drawn(tmp_path: Path) -> None:
    assert draw(report_of(MIXED).as_document(), tmp_path) == {
        "Throughput over workers": "throughput.svg"
    }
    assert [path.name for path in tmp_path.iterdir()] == ["throughput.svg"]
    assert (tmp_path / "throughput.svg").read_text().lstrip().startswith("<?xml")


def test_cost_and_latency_are_drawn_from_their_series(tmp_path: Path) -> None:
    looks = [
        {"seconds": n / 10, "orders": 10 * n, "server_cpu": n / 50, "resident": 1}
        for n in (1, 2, 2)
    ]
    results: dict[str, Result] = {
        "latency": Measured(
            readings=(reading(1.0),),
            series={"durableSeconds": [0.01, 0.02], "inMemorySeconds": [0.01, 0.03]},
        ),
        "cost": Measured(
            readings=(reading(1.0),), series={"few": [run("", 2, 0.1)], "many": {}, "looks": looks}
        ),
    }
    drawn = draw(report_of(results).as_document(), tmp_path)
    assert set(drawn.values()) == {"latency.svg", "cost.svg"}


def test_make_bench_measures_the_first_six_rows_of_the_table() -> None:
    assert len(ROWS) == len(set(KEYS)) == 12
    assert FIRST == ("throughput", "echo", "scheduler-cpu", "worker-cpu", "latency", "cost")
