"""The report in a terminal."""

from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from scripts.bench.readings import NotMeasured, Reading, Result
from scripts.bench.report import Report, range_of, target_of, text_of, verdict_of
from scripts.bench.rows import Row

_HEADINGS: Final = ("", "what", "measured", "range", "target", "")


def show(console: Console, report: Report) -> None:
    """Prints the table, and what to think of it."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in _HEADINGS:
        table.add_column(heading, overflow="fold")
    for number, row, result in report.rows():
        for cells in _lines(number, row, result):
            table.add_row(*cells)
    console.print(table)
    for name, value in report.machine.items():
        console.print(f"{name:9} {value}", highlight=False, soft_wrap=True)
    verdict = report.session.noise.verdict
    console.print(f"noise     {verdict}", highlight=False, soft_wrap=True)
    if changed := report.session.sizes.changed:
        sizes = ", ".join(f"{name} {size:,}" for name, size in changed.items())
        console.print(
            f"[yellow]sizes other than the targets speak of: {sizes}[/]",
            highlight=False,
            soft_wrap=True,
        )


def _lines(number: int, row: Row, result: Result) -> list[tuple[str, ...]]:
    """The row, and below it each of its readings."""
    if isinstance(result, NotMeasured):
        first_line = result.why.split("\n", 1)[0]
        return [
            (str(number), row.what, "", "", row.target, "[yellow]not measured[/]"),
            ("", f"  [yellow]{escape(first_line)}[/]", "", "", "", ""),
        ]
    return [
        (str(number), row.what, "", "", "", ""),
        *(_cells(reading) for reading in result.readings),
    ]


def _cells(reading: Reading) -> tuple[str, ...]:
    colour = "green" if reading.met else "red"
    return (
        "",
        f"  {escape(reading.label)}",
        text_of(reading.spread.value, reading.unit),
        range_of(reading),
        target_of(reading),
        f"[{colour}]{verdict_of(reading)}[/]",
    )
