"""Whatever a process has said to be committed is there after it has been killed."""

import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from services.scheduler.store.database import open_writer
from tests.tidy.repository import ROOT

# Commits in groups, as the hub does, and prints the last message of every group on the disk.
WRITER = """
import asyncio, pathlib, sys
from services.scheduler.store.checkpoints import Checkpointer
from services.scheduler.store.commits import Commits
from services.scheduler.store.database import open_writer

async def main():
    file = pathlib.Path(sys.argv[1])
    connection = open_writer(file)
    checkpointer = Checkpointer(file, connection, sys.exit)
    commits = Commits(
        connection,
        in_air=int,
        as_written=int,
        after_commit=checkpointer.look,
        on_rollback=sys.exit,
        on_failure=sys.exit,
    )
    number = 0
    while True:
        for _ in range(1 + number % 7):
            with commits.use_case():
                number += 1
                connection.execute(
                    "INSERT INTO alarms (due, event) VALUES (?, zeroblob(20000))", (number,)
                )
        await commits.durable()
        print(number, flush=True)

asyncio.run(main())
"""


def printed_before_it_was_killed(file: Path, groups: int) -> int:
    """Kills a writer that has printed as many groups; gives the last number that it printed."""
    command = [sys.executable, "-c", WRITER, str(file)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for _ in range(groups):
            assert child.stdout.readline()
        child.kill()
        rest = child.stdout.read().splitlines()
        assert child.wait() == -9
    # The last line may have been cut short.
    return int(rest[-2]) if len(rest) > 1 else 0


@pytest.mark.parametrize("groups", [1, 20, 250])
def test_all_that_was_said_to_be_committed_is_there_after_a_kill(file: Path, groups: int) -> None:
    printed = printed_before_it_was_killed(file, groups)
    with closing(open_writer(file)) as connection:
        found = [row[0] for row in connection.execute("SELECT due FROM alarms ORDER BY seq")]
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert found == list(range(1, len(found) + 1))
    assert len(found) >= max(printed, groups)


# Makes a hub's file, and is killed by the first write behind as many bytes of a file.
MAKER = """
import pathlib, resource, signal, sys
from services.scheduler.store.database import open_writer
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
open_writer(pathlib.Path(sys.argv[1]))
"""


@pytest.mark.parametrize("size", [0, 600, 4_096, 8_192, 20_000])
def test_a_file_whose_making_was_killed_is_made_again(file: Path, size: int) -> None:
    command = [sys.executable, "-c", MAKER, str(file), str(size)]
    killed = subprocess.run(command, cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGXFSZ
    for number in (1, 2):
        with closing(open_writer(file)) as connection:
            assert connection.execute("SELECT count(*) FROM alarms").fetchone() == (number - 1,)
            connection.execute("INSERT INTO alarms (due, event) VALUES (1, x'00')")
