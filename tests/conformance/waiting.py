"""Orchestrations that wait, answer or fail as a test tells them to."""

from typing import Any, Final

from durabletask import task

from tests.conformance.hub import Steps

# The external event that ends `waits_for_go`.
GO: Final = "go"


def echo(_: task.OrchestrationContext, value: Any) -> Any:
    """Ends at once, with its input as output."""
    return value


def fails(_: task.OrchestrationContext, text: str) -> None:
    """Ends at once, as a failure with this text."""
    raise ValueError(text)


def waits_for_go(ctx: task.OrchestrationContext, _: Any) -> Steps:
    """Ends when the event `GO` comes, with the event's data as output."""
    return (yield ctx.wait_for_external_event(GO))
