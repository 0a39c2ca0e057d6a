"""How much of everything the scheduler takes at once. Past a bound a call is refused.

What is refused has changed nothing, and its error names the bound and the setting that moves it:
`calls_max` is `SCHEDULER_CALLS_MAX`. Each bounds one thing: where several are full at once, as by
thousands of workers that do not read, memory goes beyond a gibibyte.
"""

from dataclasses import dataclass
from typing import Final

_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The bounds, each with the reason for its default. Bytes say so in their name."""

    # A call that waits costs about 16 KB, most of it in gRPC: 320 MB; with the most metadata twice
    # that and more, 45 KB.
    calls_max: int = 20_000
    # Half of them: a client without measure must leave room for the others.
    connection_calls_max: int = 10_000
    # What calls have brought, metadata too, and replies that are not read yet: two of the largest
    # messages. Of requests that are on their way nobody knows how much there is: `edge/turns.py`
    # has as many read at once as are 512 MiB together, if each is one of the largest.
    call_bytes_max: int = 128 * _MIB
    # Some 40 KB each, and a file: far more workers and clients than one machine serves.
    connections_max: int = 2_000
    # Answers of orchestrators are the largest: a wide fan-out whose inputs have some KB each. Eight
    # are read at once; of larger ones fewer, two at least.
    message_bytes_max: int = 64 * _MIB
    # Per task hub. Every work item is offered to all of them.
    workers_max: int = 1_000
    # Of a kind, with one worker: a lease is about 1 KB, and Python asks for 100 for each CPU.
    work_items_max: int = 10_000
    # Per task hub: turns and batches are remembered, with their events, until they are answered.
    work_item_bytes_max: int = 128 * _MIB
    # Sent ahead of one worker that does not read: some items of the largest size. Of all workers
    # of a hub there is no bound but their number.
    unread_bytes_max: int = 4 * _MIB
    # Per task hub: a task and a call each, about 12 KB.
    waiters_max: int = 10_000
    # Per task hub: each may hold some MiB that its client has not read yet, for half a minute.
    history_readers_max: int = 64
    # Per task hub, started by clients and not begun: about 1 KB each in memory, and a day's work.
    pending_max: int = 100_000
    # For one orchestration or entity: they are read at its turn, and a turn takes in 5,000.
    inbox_max: int = 100_000
    inbox_bytes_max: int = 64 * _MIB
    # Per task hub: on the disk alone, and looked at when they are due.
    delayed_signals_max: int = 100_000
    # Made at their first use: four files, three threads and some MB each.
    task_hubs_max: int = 100
    # Some browsers and scrapers; each may hold a body of 4 MiB.
    http_connections_max: int = 128
    # Left free on the disk, of which 5% are enough: a commit that finds it full ends the scheduler.
    disk_free_bytes_min: int = 64 * _MIB


DEFAULTS: Final = Bounds()


def setting_of(bound: str) -> str:
    """The variable that moves a bound."""
    return f"SCHEDULER_{bound.upper()}"
