"""A writer's groups of commits, with what is told of them written down."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from services.scheduler.store.commits import Commits
from services.scheduler.store.database import open_reader, open_writer


class Group:
    """A writer's commits, and what is told of them."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.connection = open_writer(file)
        self.failures: list[BaseException] = []
        self.told = 0
        # What was on the disk when a group was about to be written.
        self.seen: list[list[int]] = []
        self.rolled_back = 0
        self.in_air = 0
        self.commits = Commits(
            self.connection,
            in_air=lambda: self.in_air,
            as_written=self._written,
            after_commit=self._after,
            on_rollback=self._back,
            on_failure=self.failures.append,
        )

    def _written(self) -> None:
        self.seen.append(self.on_disk())

    def _after(self) -> None:
        self.told += 1

    def _back(self) -> None:
        self.rolled_back += 1

    def write(self, instance: int, size: int = 1) -> None:
        """A use case that adds a message."""
        with self.commits.use_case():
            self.add(instance, size)

    def add(self, instance: int, size: int = 1) -> None:
        """A message, within a use case."""
        self.connection.execute(
            "INSERT INTO alarms (due, event) VALUES (?, zeroblob(?))", (instance, size)
        )

    def fail_after(self, act: Callable[[], None]) -> None:
        """A use case that does something and then fails."""
        with self.commits.use_case():
            act()
            raise LookupError

    def on_disk(self) -> list[int]:
        """The messages that another connection sees."""
        with closing(open_reader(self.file)) as reader:
            return [row[0] for row in reader.execute("SELECT due FROM alarms ORDER BY seq")]

    def fill(self) -> None:
        """Lets the file not grow any more."""
        (pages,) = self.connection.execute("PRAGMA page_count").fetchone()
        self.connection.execute(f"PRAGMA max_page_count = {pages}")
