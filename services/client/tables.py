"""Writes rows as CSV, JSON or a table, one after the other: however many, few are held."""

import csv
import json
import tempfile
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, Final, TextIO

from rich.cells import cell_len
from rich.table import Table

from services.client.messages import data_console, plain, print_table

Row = dict[str, Any]
Writer = Callable[[Iterable[Row], Sequence[str], TextIO], None]

# Rich lays out a table as a whole.
_TABLE_ROWS: Final = 500


def write_csv(rows: Iterable[Row], fields: Sequence[str], stream: TextIO) -> None:
    """A header and a line for each row."""
    writer = csv.DictWriter(stream, fields, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def write_json(rows: Iterable[Row], fields: Sequence[str], stream: TextIO) -> None:  # noqa: ARG001 - an object has the fields that it has
    """An array with an object on a line for each row."""
    separator = "[\n"
    for row in rows:
        stream.write(separator + json.dumps(row))
        separator = ",\n"
    stream.write("\n]\n")


def write_table(rows: Iterable[Row], fields: Sequence[str], stream: TextIO) -> None:
    """A table; its columns are as wide as the widest cell, so all rows are read before the first.

    They wait in a temporary file, and are laid out in several tables of the same widths.
    """
    console = data_console(stream)
    with tempfile.TemporaryFile("w+", encoding="utf-8") as waiting:
        widths = {field: cell_len(field) for field in fields}
        for row in rows:
            cells = [plain(str(row.get(field, ""))) for field in fields]
            for field, cell in zip(fields, cells, strict=True):
                widths[field] = max(widths[field], cell.cell_len)
            waiting.write(json.dumps([cell.plain for cell in cells]) + "\n")
        waiting.seek(0)
        lines = iter(waiting)
        print_table(console, _table(widths, islice(lines, _TABLE_ROWS), header=True))
        while page := list(islice(lines, _TABLE_ROWS)):
            print_table(console, _table(widths, page, header=False))


def _table(widths: dict[str, int], lines: Iterable[str], *, header: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", show_header=header)
    for field, width in widths.items():
        table.add_column(field, justify="right" if field == "amount" else "left", min_width=width)
    for line in lines:
        table.add_row(*map(plain, json.loads(line)))
    return table
