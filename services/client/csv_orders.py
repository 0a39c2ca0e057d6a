"""Orders as CSV: a header that names the fields of an order, in any order, and a row for each.

Cells are text; blanks around them do not count, nor do blank lines. A row's number is the physical
line that it starts on: quoted cells may hold newlines.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from services.client.order_problems import BrokenOrdersError, listed
from services.client.order_rows import Row
from services.client.order_text import lines
from services.shared.orders import FIELDS

# Only these become numbers: int() would also take "1_000" and the digits of other scripts.
_WHOLE_NUMBER: Final = re.compile(r"[0-9]{1,12}")


def read_csv(text: str) -> Iterator[Row]:
    """The rows of a CSV text; none for a text that is blank.

    Raises `BrokenOrdersError` for a header with other columns, and for quotes that do not match.
    """
    records = _records(text)
    for line, header in records:
        columns = [name.strip() for name in header]
        _check_columns(line, columns)
        for start, cells in records:
            yield _row(start, columns, cells)


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    # Strict: the lax reader takes everything after a stray quote for one cell, without a word.
    reader = csv.reader(lines(text), strict=True)
    while True:
        start = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise BrokenOrdersError(
                f'line {start}: broken CSV ({error}); look for a missing or a stray quote (")'
            ) from None
        if len(cells) > 1 or "".join(cells).strip():
            yield start, cells


def _check_columns(line: int, columns: list[str]) -> None:
    counts = Counter(columns)
    found = {
        "missing": [name for name in FIELDS if name not in counts],
        "unknown": [name for name in counts if name not in FIELDS],
        "repeated": [name for name in FIELDS if counts[name] > 1],
    }
    problems = [f"{kind} columns: {listed(names)}" for kind, names in found.items() if names]
    if problems:
        raise BrokenOrdersError(
            f"line {line}: {'; '.join(problems)} (the columns are {', '.join(FIELDS)})"
        )


def _row(line: int, columns: list[str], cells: list[str]) -> Row:
    if len(cells) != len(columns):
        noun = "field" if len(cells) == 1 else "fields"
        problem = f"{len(cells)} {noun} found, {len(columns)} expected"
        return Row(unit="line", number=line, fields=None, problems=(problem,))
    fields: dict[str, object] = {
        name: cell.strip() for name, cell in zip(columns, cells, strict=True)
    }
    quantity = str(fields["quantity"])
    if _WHOLE_NUMBER.fullmatch(quantity):
        fields["quantity"] = int(quantity)
    return Row(unit="line", number=line, fields=fields)
