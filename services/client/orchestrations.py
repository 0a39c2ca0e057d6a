"""`status` and `list`: what orchestrations are doing, or what they came to."""

import re
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Final

from durabletask.client import OrchestrationQuery, OrchestrationState, OrchestrationStatus
from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.client.errors import COMPLETED, BadInputError
from services.client.messages import data_console, plain, print_table, say, stderr_console
from services.client.progress import HowFar, progress_reader
from services.client.report import as_json, elapsed_seconds, print_json, show
from services.client.session import open_session
from services.client.settings import ClientSettings
from services.client.submitted import part_of
from services.client.waiting import is_final

_CHILD_ID: Final = re.compile(r"(?P<parent>.+):[0-9a-f]{4,}", re.DOTALL)
_COLOURS: Final[dict[OrchestrationStatus, str]] = {
    OrchestrationStatus.COMPLETED: "green",
    OrchestrationStatus.FAILED: "red",
    OrchestrationStatus.TERMINATED: "red",
    OrchestrationStatus.SUSPENDED: "yellow",
    OrchestrationStatus.RUNNING: "cyan",
}
STATUSES: Final = {str(status).lower(): status for status in OrchestrationStatus}


def status(instance_id: str, settings: ClientSettings, *, json: bool) -> int:
    """Shows what an orchestration is doing, or what it came to."""
    with open_session(settings, partial(say, stderr_console())) as session:
        state = session.get(instance_id, payloads=True)
        how_far = None
        if not is_final(state):
            how_far = progress_reader(session, instance_id, part_of(state)).read_all()
    if json:
        print_json(_with_progress(state, how_far))
    elif is_final(state):
        show(data_console(), state, invocation=settings.invocation)
    else:
        _show_running(data_console(), state, how_far)
    return COMPLETED


def list_orchestrations(
    settings: ClientSettings, *, statuses: Sequence[str], limit: int, children: bool, json: bool
) -> int:
    """Lists the newest orchestrations."""
    wanted = {_status(name) for name in statuses} or set(OrchestrationStatus)
    with open_session(settings, partial(say, stderr_console())) as session:
        # All of them: an id tells a child only beside its parent's.
        states = session.query(OrchestrationQuery())
    ids = {state.instance_id for state in states}
    states = [
        state
        for state in states
        if state.runtime_status in wanted and (children or not _is_child(state.instance_id, ids))
    ]
    states.sort(key=lambda state: (state.created_at, state.instance_id), reverse=True)
    if json:
        print_json([_row(state) for state in states[:limit]])
    else:
        _show_list(states, limit)
    return COMPLETED


def _status(name: str) -> OrchestrationStatus:
    try:
        return STATUSES[name.lower()]
    except KeyError:
        raise BadInputError(
            f"--status must be one of {', '.join(STATUSES)} (got {name!r})"
        ) from None


def _is_child(instance_id: str, ids: set[str]) -> bool:
    found = _CHILD_ID.fullmatch(instance_id)
    return found is not None and found["parent"] in ids


def _row(state: OrchestrationState) -> dict[str, Any]:
    return {
        "instance_id": state.instance_id,
        "name": state.name,
        "status": str(state.runtime_status),
        "created_at": f"{state.created_at.isoformat(timespec='milliseconds')}Z",
        "last_updated_at": f"{state.last_updated_at.isoformat(timespec='milliseconds')}Z",
    }


def _with_progress(state: OrchestrationState, how_far: HowFar | None) -> dict[str, Any]:
    document = _row(state) | as_json(state)
    return document if how_far is None else document | {"progress": asdict(how_far)}


def _show_running(console: Console, state: OrchestrationState, how_far: HowFar | None) -> None:
    line = Text.assemble(
        plain(state.instance_id, "bold"),
        plain(f" {state.name} "),
        (str(state.runtime_status), _COLOURS.get(state.runtime_status, "")),
        f" since UTC {state.created_at:%Y-%m-%d %H:%M:%S}",
    )
    console.print(line, soft_wrap=True)
    if how_far is not None:
        say(console, f"  {how_far}")


def _show_list(states: Sequence[OrchestrationState], limit: int) -> None:
    if not states:
        say(stderr_console(), "no orchestrations")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("instance id", "name", "status", "created (UTC)"):
        table.add_column(heading, no_wrap=True)
    table.add_column("seconds", justify="right", no_wrap=True)
    for state in states[:limit]:
        colour = _COLOURS.get(state.runtime_status, "")
        table.add_row(
            plain(state.instance_id),
            plain(state.name),
            Text(str(state.runtime_status), style=colour),
            f"{state.created_at:%Y-%m-%d %H:%M:%S}",
            f"{elapsed_seconds(state):.1f}",
        )
    print_table(data_console(), table)
    if len(states) > limit:
        say(stderr_console(), f"... and {len(states) - limit:,} older ones: --limit {len(states)}")
