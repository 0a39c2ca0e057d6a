from pathlib import Path

from scripts.bench.unsynced import open_unsynced
from services.scheduler.store.database import open_writer


def test_commits_are_written_as_ever_and_not_flushed(tmp_path: Path) -> None:
    real, unsynced = open_writer(tmp_path / "real.db"), open_unsynced(tmp_path / "unsynced.db")
    settings = [
        [
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous")
        ]
        for connection in (real, unsynced)
    ]
    assert settings == [["wal", 2], ["wal", 0]]
    real.close()
    unsynced.close()
