"""`results`: every order's outcome, read from the children batch by batch."""

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, TextIO

from durabletask.client import OrchestrationState, OrchestrationStatus
from rich.table import Table

from services.client.errors import COMPLETED, FAILED, STILL_RUNNING, BadInputError
from services.client.messages import data_console, data_stream, plain, say, stderr_console
from services.client.progress import batch_sizes_of
from services.client.report import input_of, output_of
from services.client.session import Session, open_session
from services.client.settings import ClientSettings
from services.client.waiting import is_final
from services.shared.batches import child_instance_id, split

_FIELDS: Final = ("order_id", "status", "amount", "currency", "reason")
# What stands for an outcome that does not exist: yet, or any more.
_PENDING: Final = "pending"
_UNKNOWN: Final = "unknown"

Row = dict[str, Any]
Writer = Callable[[Iterable[Row], TextIO], None]


def results(instance_id: str, settings: ClientSettings, *, style: str, output: Path | None) -> int:
    """Writes all outcomes in the order of input; returns 0, 1 (the run failed) or 4 (it goes on).

    Orders without an outcome are `pending` while the run goes on, `unknown` when it has ended.
    """
    messages = stderr_console()
    with open_session(settings, partial(say, messages)) as session:
        state = session.get(instance_id, payloads=True)
        submission = input_of(state)
        if not batch_sizes_of(submission):
            raise BadInputError(f"{instance_id!r} is no submission of orders")
        rows: Iterable[Row] = _rows(session, state, submission)
        if output is None:
            rows = list(rows)  # all or nothing: half an array on standard output is no JSON
        with _opened(output) as stream:
            _WRITERS[style](rows, stream)
    if not is_final(state):
        say(messages, f"{instance_id} is still running: orders without an outcome are {_PENDING}")
        return STILL_RUNNING
    return COMPLETED if state.runtime_status is OrchestrationStatus.COMPLETED else FAILED


def _rows(session: Session, parent: OrchestrationState, submission: Row) -> Iterator[Row]:
    batches = split(submission["orders"], submission["batch_size"])
    absent = _UNKNOWN if is_final(parent) else _PENDING
    for number, orders in enumerate(batches, start=1):
        child = session.find(child_instance_id(parent.instance_id, number), payloads=True)
        match output_of(child) if child is not None else None:
            case {"outcomes": list(outcomes)} if all(isinstance(one, dict) for one in outcomes):
                yield from outcomes
            case _:
                yield from (
                    {"order_id": order.get("order_id", ""), "status": absent} for order in orders
                )


def _write_csv(rows: Iterable[Row], stream: TextIO) -> None:
    writer = csv.DictWriter(stream, _FIELDS, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _write_json(rows: Iterable[Row], stream: TextIO) -> None:
    separator = "[\n"
    for row in rows:
        stream.write(separator + json.dumps(row))
        separator = ",\n"
    stream.write("\n]\n")


def _write_table(rows: Iterable[Row], stream: TextIO) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for field in _FIELDS:
        table.add_column(field, justify="right" if field == "amount" else "left")
    for row in rows:
        table.add_row(*(plain(str(row.get(field, ""))) for field in _FIELDS))
    data_console(stream).print(table)


_WRITERS: Final[dict[str, Writer]] = {
    "csv": _write_csv,
    "json": _write_json,
    "table": _write_table,
}


@contextmanager
def _opened(output: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that appears only when it is whole."""
    if output is None:
        yield data_stream()
        return
    try:
        target = output.resolve()  # what a link leads to is replaced, not the link
    except (OSError, RuntimeError) as error:
        raise BadInputError(f"cannot write {output}: {error}") from error
    # A pipe or a device is written to: there is nothing to replace.
    whole = target.is_file() or not target.exists()
    temporary = target.with_name(f".{target.name}.{os.getpid()}") if whole else target
    try:
        with temporary.open("w", encoding="utf-8", newline="", errors="backslashreplace") as stream:
            yield stream
        if whole:
            temporary.replace(target)
    except OSError as error:
        raise BadInputError(f"cannot write {output}: {error.strerror or error}") from error
    finally:
        if whole:
            temporary.unlink(missing_ok=True)
