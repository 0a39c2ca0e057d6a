"""`results`: every order's outcome, on standard output or in a file, all or nothing."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, TextIO

from durabletask.client import OrchestrationStatus

from services.client.errors import COMPLETED, FAILED, STILL_RUNNING, BadInputError
from services.client.messages import data_stream, say, stderr_console
from services.client.outcomes import PENDING, read_outcomes
from services.client.session import open_session
from services.client.settings import ClientSettings
from services.client.submitted import submitted
from services.client.tables import Writer, write_csv, write_json, write_table
from services.client.waiting import is_final

_FIELDS: Final = ("order_id", "status", "amount", "currency", "reason")
_WRITERS: Final[dict[str, Writer]] = {
    "csv": write_csv,
    "json": write_json,
    "table": write_table,
}


def results(instance_id: str, settings: ClientSettings, *, style: str, output: Path | None) -> int:
    """Writes all outcomes in the order of input; returns 0, 1 (the run failed) or 4 (it goes on).

    Orders without an outcome are `pending` while the run goes on, `unknown` when it has ended.
    """
    messages = stderr_console()
    with open_session(settings, partial(say, messages)) as session:
        state = session.get(instance_id, payloads=True)
        submission = submitted(state)
        if submission is None or not submission.order_ids:
            raise BadInputError(f"{instance_id!r} is no submission of orders")
        # Its orders are read: what is kept of them is in `submission`.
        state.serialized_input = None
        rows = read_outcomes(session, submission, state)
        with _spooled() if output is None and style != "table" else _opened(output) as stream:
            _WRITERS[style](rows, _FIELDS, stream)
    if not is_final(state):
        say(messages, f"{instance_id} is still running: orders without an outcome are {PENDING}")
        return STILL_RUNNING
    return COMPLETED if state.runtime_status is OrchestrationStatus.COMPLETED else FAILED


@contextmanager
def _spooled() -> Iterator[TextIO]:
    """Standard output, written when all is there: half an array is no JSON.

    (A table collects its rows before it writes.)
    """
    with tempfile.TemporaryFile(
        "w+", encoding="utf-8", newline="", errors="backslashreplace"
    ) as spool:
        yield spool
        spool.seek(0)
        shutil.copyfileobj(spool, data_stream())


@contextmanager
def _opened(output: Path | None) -> Iterator[TextIO]:
    """A file that appears only when it is whole, or standard output."""
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
