"""How large the histories of a task hub are, as the scheduler keeps them and a worker gets them."""

import sqlite3
from contextlib import closing

from scripts.local_stack import LocalStack
from services.scheduler.store.packing import teach
from tests.e2e.schedulers import data_of

# What no history of a submission may reach.
HISTORY_BYTES_MAX = 1024 * 1024


def history_bytes(stack: LocalStack, root: str) -> dict[str, int]:
    """The bytes of the histories of an orchestration and of all that it started, by instance id."""
    database = data_of(stack) / "default.db"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        teach(connection)
        return dict(
            connection.execute(
                "SELECT i.instance_id, sum(length(plain(h.chunk))) FROM instances i"
                " JOIN histories h ON h.instance = i.seq"
                " WHERE i.instance_id = :root OR substr(i.instance_id, 1, length(:root) + 1)"
                " = :root || ':' GROUP BY i.instance_id",
                {"root": root},
            )
        )
