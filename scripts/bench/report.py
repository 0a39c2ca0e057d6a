"""What a run of the bench came to, as one document: for JSON, for Markdown, for plots."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from scripts.bench.readings import Measured, NotMeasured, Reading, Result
from scripts.bench.rows import ROWS, Row
from scripts.bench.session import Session

_SIGNIFICANT: Final = 3
_VERDICTS: Final = {True: "met", False: "missed"}
_SYMBOLS: Final = {">=": "≥", "<=": "≤", "<": "<"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Results by row key, and what they belong to."""

    started: datetime
    seconds: float
    machine: Mapping[str, str]
    session: Session
    results: Mapping[str, Result]

    @property
    def is_complete(self) -> bool:
        """Whether everything that was asked for has been measured."""
        return all(isinstance(result, Measured) for result in self.results.values())

    def rows(self) -> list[tuple[int, Row, Result]]:
        """What was asked for, with its number in the table."""
        numbered = enumerate(ROWS, start=1)
        return [(n, row, self.results[row.key]) for n, row in numbered if row.key in self.results]

    def as_document(self) -> dict[str, Any]:
        """All of it, in names and numbers."""
        return {
            "started": self.started.isoformat(timespec="seconds"),
            "seconds": round(self.seconds, 1),
            "machine": dict(self.machine),
            "rounds": self.session.rounds,
            "changedSizes": self.session.sizes.changed,
            "noise": self.session.noise.as_document(),
            "rows": [_row_document(number, row, result) for number, row, result in self.rows()],
        }

    def as_json(self) -> str:
        """For machines."""
        return json.dumps(self.as_document(), indent=1, ensure_ascii=False, allow_nan=False)


def text_of(value: float, unit: str) -> str:
    """A value as people read it: three digits that count, three behind the point at most."""
    digits = 0
    while digits < _SIGNIFICANT and abs(value) * 10**digits < 10 ** (_SIGNIFICANT - 1):
        digits += 1
    return f"{value:,.{digits}f}{f' {unit}' if unit else ''}"


def range_of(reading: Reading) -> str:
    """Between what and what it lay, and how often it was measured."""
    spread = reading.spread
    if spread.count == 1:
        return "once"
    low, high = text_of(spread.low, ""), text_of(spread.high, "")
    return f"{low} to {high} of {spread.count}"


def target_of(reading: Reading) -> str:
    """What it must be."""
    symbol = _SYMBOLS[reading.target.comparison]
    return f"{symbol} {reading.target.bound:g}{f' {reading.unit}' if reading.unit else ''}"


def verdict_of(reading: Reading) -> str:
    """Met or missed."""
    return _VERDICTS[reading.met]


def markdown(report: Report, plots: Mapping[str, str]) -> str:
    """For people; `plots` are the files of pictures, by their titles."""
    lines = ["# Benchmark", "", *_head(report), ""]
    lines += [
        "| | what | | measured | range | target | |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for number, row, result in report.rows():
        lines += _table_rows(number, row, result)
    lines += ["", "## What the figures are made of", ""]
    for number, row, result in report.rows():
        if isinstance(result, Measured):
            lines += [f"{number}. {row.what}"]
            lines += [f"   - {reading.label}: {reading.detail}" for reading in result.readings]
    for title, name in plots.items():
        lines += ["", f"## {title}", "", f"![{title}]({name})"]
    return "\n".join(lines) + "\n"


def _head(report: Report) -> list[str]:
    noise, rounds = report.session.noise.as_document(), report.session.rounds
    lines = [
        f"{report.started:%Y-%m-%d %H:%M} UTC, {report.seconds:.0f} s, rounds: {rounds}.",
        "",
        *(f"- {name}: {value}" for name, value in report.machine.items()),
        f"- noise: {noise['verdict']}",
    ]
    for name, what in (
        ("spinMilliseconds", "always the same computation, ms"),
        ("loadAverage", "load average before a run"),
        ("othersCpuPercent", "used by others during a run, % of all cores"),
        ("stolenCpuPercent", "stolen by the host, % of all cores"),
    ):
        if (found := noise[name]) is not None:
            low, high = found["min"], found["max"]
            lines.append(f"  - {what}: median {found['median']:.1f}, {low:.1f} to {high:.1f}")
    if changed := report.session.sizes.changed:
        sizes = ", ".join(f"{name} {size:,}" for name, size in changed.items())
        lines.append(f"- **sizes other than the targets speak of**: {sizes}")
    return lines


def _table_rows(number: int, row: Row, result: Result) -> list[str]:
    if isinstance(result, NotMeasured):
        why = " ".join(result.why.split())
        return [f"| {number} | {row.what} | | not measured: {why} | | {row.target} | |"]
    return [
        f"| {number if first else ''} | {row.what if first else ''} | {reading.label}"
        f" | {text_of(reading.spread.value, reading.unit)} | {range_of(reading)}"
        f" | {target_of(reading)} | {verdict_of(reading)} |"
        for first, reading in ((n == 0, reading) for n, reading in enumerate(result.readings))
    ]


def _row_document(number: int, row: Row, result: Result) -> dict[str, Any]:
    document: dict[str, Any] = {
        "number": number,
        "key": row.key,
        "what": row.what,
        "target": row.target,
    }
    if isinstance(result, NotMeasured):
        return document | {"status": "not measured", "why": result.why}
    met = all(reading.met for reading in result.readings)
    return document | {
        "status": _VERDICTS[met],
        "readings": [_reading_document(reading) for reading in result.readings],
        "series": result.series,
    }


def _reading_document(reading: Reading) -> dict[str, Any]:
    return {
        "label": reading.label,
        "value": reading.spread.value,
        "min": reading.spread.low,
        "max": reading.spread.high,
        "count": reading.spread.count,
        "unit": reading.unit,
        "comparison": reading.target.comparison,
        "bound": reading.target.bound,
        "status": verdict_of(reading),
        "detail": reading.detail,
    }
