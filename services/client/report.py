"""Shows what a submission came to: a summary for a person, or one JSON object."""

import json
import shlex
import sys
from decimal import Decimal
from typing import Any, Final

from durabletask.client import OrchestrationState, OrchestrationStatus
from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.client.errors import COMPLETED, FAILED
from services.client.messages import plain, print_table
from services.shared.converter import PayloadTypeError
from services.shared.orders import Failure, Summary

_FAILURES_SHOWN: Final = 10


def elapsed_seconds(state: OrchestrationState) -> float:
    """From the orchestration's creation to its last change, by the scheduler's clock."""
    return round((state.last_updated_at - state.created_at).total_seconds(), 3)


def summary_of(state: OrchestrationState) -> Summary | None:
    """The summary that a completed submission returned; None for any other orchestration."""
    try:
        return state.get_output(Summary)
    except (PayloadTypeError, ValueError, RecursionError):
        return None


def exit_code_of(state: OrchestrationState, *, strict: bool) -> int:
    """0 for a completed orchestration, 1 for any other end, or with `strict` for a failed order."""
    if state.runtime_status is not OrchestrationStatus.COMPLETED:
        return FAILED
    summary = summary_of(state)
    return FAILED if strict and summary is not None and summary.failures_total else COMPLETED


def print_json(value: object) -> None:
    """Prints one JSON document on standard output, and nothing else."""
    json.dump(value, sys.stdout, indent=2)
    sys.stdout.write("\n")


def as_json(state: OrchestrationState) -> dict[str, Any]:
    """The end of an orchestration as a JSON object: its summary, its other output, or its error."""
    document: dict[str, Any] = {
        "instance_id": state.instance_id,
        "status": str(state.runtime_status),
        "elapsed_seconds": elapsed_seconds(state),
    }
    summary = summary_of(state)
    if summary is not None:
        return document | summary.to_wire()
    if state.failure_details is not None:
        failure = state.failure_details
        return document | {"error": {"type": failure.error_type, "message": failure.message}}
    return document | {"output": output_of(state)}


def show(console: Console, state: OrchestrationState, *, invocation: str | None) -> None:
    """Prints the end of an orchestration for a person, who runs the client as `invocation`."""
    completed = state.runtime_status is OrchestrationStatus.COMPLETED
    headline = Text.assemble(
        ("✔ " if completed else "✘ ", "green" if completed else "red"),
        plain(state.instance_id, "bold"),
        f" {state.runtime_status} in {elapsed_seconds(state):g} s",
    )
    console.print(headline, soft_wrap=True)
    summary = summary_of(state) if completed else None
    if summary is not None:
        _show_summary(console, summary)
        if summary.failures_total > _FAILURES_SHOWN:
            left = summary.failures_total - _FAILURES_SHOWN
            more = f"  ... and {left:,} more"
            if invocation is not None:
                more += f": {invocation} results {shlex.quote(state.instance_id)}"
            console.print(plain(more), style="dim", soft_wrap=True)
    elif state.failure_details is not None:
        console.print(plain(f"  {state.failure_details.message}"), soft_wrap=True)
    elif (output := output_of(state)) is not None:
        console.print(plain(f"  {json.dumps(output)}"), soft_wrap=True)


def _show_summary(console: Console, summary: Summary) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    batches = "batch" if summary.batches == 1 else "batches"
    table.add_row("  orders", f"{summary.orders:,}", f"in {summary.batches:,} {batches}")
    for status, count in summary.by_status.items():
        table.add_row(f"  {status.replace('_', ' ')}", f"{count:,}", "")
    for number, (currency, amount) in enumerate(summary.revenue.items()):
        table.add_row("  revenue" if number == 0 else "", f"{Decimal(amount):,.2f}", currency)
    print_table(console, table)
    if summary.failures:
        _show_failures(console, summary.failures)


def _show_failures(console: Console, failures: list[Failure]) -> None:
    table = Table.grid(padding=(0, 2))
    for failure in failures[:_FAILURES_SHOWN]:
        table.add_row(plain(f"  {failure.order_id}"), plain(failure.reason, style="yellow"))
    console.print("  not completed:", style="dim")
    print_table(console, table)


def input_of(state: OrchestrationState) -> Any:  # noqa: ANN401 - the input of anybody's orchestration
    """The input of an orchestration; as text when it is no JSON that we can read."""
    try:
        return state.get_input()
    except (ValueError, RecursionError):
        return state.serialized_input


def output_of(state: OrchestrationState) -> Any:  # noqa: ANN401 - the output of anybody's orchestration
    """The output of an orchestration; as text when it is no JSON that we can read."""
    try:
        return state.get_output()
    except (ValueError, RecursionError):
        return state.serialized_output
