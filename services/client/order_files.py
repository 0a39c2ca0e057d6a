"""Reads a file of orders: CSV, JSON or JSON Lines, told apart by the name's extension.

What makes a whole file unusable is an exception; what is wrong with single rows is data.
"""

import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from services.client.csv_orders import read_csv
from services.client.json_orders import order_lines, read_json, read_jsonl
from services.client.order_problems import BrokenOrdersError, RowProblem, describe_problems, shown
from services.client.order_rows import Row, check_rows
from services.client.order_text import decode
from services.shared.orders import Order

__all__ = ["OrderFile", "OrderFileError", "RowProblem", "describe_problems", "read_orders"]

# Orders are held in memory at once, at about 0.9 kB each: a CSV of this size (1.2 million orders)
# takes 1 GB, and is more than the payload of one submission holds.
FILE_BYTES_MAX: Final = 64 * 1024 * 1024
_READERS: Final[dict[str, Callable[[str], Iterator[Row]]]] = {
    ".csv": read_csv,
    ".json": read_json,
    ".jsonl": read_jsonl,
}


class OrderFileError(Exception):
    """A file that no order can be read from; the text names it and says why."""

    def __init__(self, path: Path, reason: str) -> None:
        name = str(path)
        # A name may hold what no terminal prints: it is the file system's, not ours.
        super().__init__(f"{name if name.isprintable() else repr(name)}: {reason}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFile:
    """The orders of a file and what is wrong with its other rows, both in the file's order."""

    orders: tuple[Order, ...]
    problems: tuple[RowProblem, ...]


def read_orders(path: Path) -> OrderFile:
    """Reads the file at `path` as a whole.

    Raises `OrderFileError` for a file that cannot be opened, is larger than `FILE_BYTES_MAX`, is
    of another format, is broken as a whole or holds no orders.
    """
    content, read = _load(path)
    try:
        text = decode(content)
        orders, problems = check_rows(read(text))
    except BrokenOrdersError as error:
        raise OrderFileError(path, str(error)) from None
    if problems and read is read_json:
        problems = _with_lines(problems, text)
    if not orders and not problems:
        raise OrderFileError(path, f"the file {'holds no orders' if text.strip() else 'is empty'}")
    return OrderFile(orders=orders, problems=problems)


def _with_lines(problems: Sequence[RowProblem], text: str) -> tuple[RowProblem, ...]:
    """An editor goes to a line, not to the n-th order; only who has to look for one needs it."""
    lines = list(order_lines(text))
    return tuple(
        replace(problem, where=f"{problem.where} (line {lines[problem.number - 1]:,})")
        for problem in problems
    )


def _load(path: Path) -> tuple[bytes, Callable[[str], Iterator[Row]]]:
    try:
        # Asked before opening: a pipe without a writer would be waited for.
        if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():
            raise OrderFileError(path, "this is no regular file")
        with path.open("rb") as file:
            # After opening: a name that leads nowhere is the first thing to know.
            read = _reader(path)
            content = file.read(FILE_BYTES_MAX + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise OrderFileError(path, _why_unreadable(error)) from None
    if len(content) > FILE_BYTES_MAX:
        raise OrderFileError(path, f"the file is larger than {FILE_BYTES_MAX // 2**20} MiB")
    return content, read


def _reader(path: Path) -> Callable[[str], Iterator[Row]]:
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        known = ", ".join(_READERS)
        raise OrderFileError(path, f"unknown extension {shown(path.suffix)}; known are {known}")
    return reader


def _why_unreadable(error: OSError | ValueError) -> str:
    match error:
        case FileNotFoundError():
            return "there is no such file"
        case IsADirectoryError():
            return "this is a directory, not a file"
        case PermissionError():
            return "the permission to read it is missing"
        case OSError():
            return f"the file cannot be read ({error.strerror or error})"
        case _:
            return "no file can have this name"
