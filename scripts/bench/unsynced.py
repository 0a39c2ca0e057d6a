"""The scheduler where nobody waits for the disk: `python -m scripts.bench.unsynced`.

A second composition root: everything is written, and nothing flushed. What an order takes less than
with the real one is the time of the flushes on its way.
"""

import sqlite3
import sys
from pathlib import Path
from unittest.mock import patch

from services.scheduler.app import run
from services.scheduler.hub import opened
from services.scheduler.settings import SchedulerSettings
from services.scheduler.store.database import open_writer
from services.shared.environment import Environment
from services.shared.logs import configure_logging


def open_unsynced(file: Path) -> sqlite3.Connection:
    """Opens a hub's file as the scheduler does, for commits that do not wait."""
    connection = open_writer(file)
    connection.execute("PRAGMA synchronous = OFF")
    return connection


def main() -> int:
    """Serves until SIGTERM."""
    settings = SchedulerSettings.read(Environment.of_process())
    configure_logging(level=settings.log_level, style=settings.log_format)
    with patch.object(opened, "open_writer", open_unsynced):
        return run(settings)


if __name__ == "__main__":
    sys.exit(main())
