"""Shows how far a submission is while a person waits: a bar on a terminal, lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, TypeAlias

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from services.client.messages import say
from services.client.progress import HowFar

# Shows a new reading; None is one of an orchestration without batches.
Show: TypeAlias = Callable[[HowFar | None], None]

_PLAIN_LINE_SECONDS: Final = 5.0


def progress_view(console: Console, instance_id: str) -> AbstractContextManager[Show]:
    """The view that suits where the person reads, from its enter to its exit."""
    return _live_bar(console) if console.is_terminal else _plain_lines(console, instance_id)


@contextmanager
def _live_bar(console: Console) -> Iterator[Show]:
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=32),
        TextColumn("{task.fields[how_far]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("processing", total=None, how_far="")

        def show(how_far: HowFar | None) -> None:
            if how_far is not None:
                done, total = how_far.orders_done, how_far.orders
                progress.update(task, total=total, completed=done, how_far=str(how_far))

        yield show


@contextmanager
def _plain_lines(console: Console, instance_id: str) -> Iterator[Show]:
    shown: HowFar | None = None
    due = time.monotonic()

    def show(how_far: HowFar | None) -> None:
        nonlocal shown, due
        if how_far is None or how_far == shown or time.monotonic() < due:
            return
        say(console, f"{instance_id}: {how_far}")
        shown, due = how_far, time.monotonic() + _PLAIN_LINE_SECONDS

    yield show
