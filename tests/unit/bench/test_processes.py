import os
import subprocess
import sys

import pytest

from scripts.bench.processes import (
    MachineTime,
    Memory,
    cpu_seconds,
    cpu_seconds_of,
    descendants,
)

SPIN = "import sys\nfor n in range(3_000_000): pass\nprint('spun', flush=True)\nsys.stdin.read()"
SLEEP_IN_A_CHILD = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"])
print(child.pid, flush=True)
child.wait()
"""


def test_the_cpu_time_of_another_process_is_told_finer_than_in_ticks() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SPIN], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"spun\n"
        used = cpu_seconds(process.pid)
        assert used > 0
        assert used * 100 != int(used * 100)
        assert MachineTime.now().busy >= used
        process.kill()


def test_a_process_that_is_gone_has_used_nothing_more() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    with pytest.raises(OSError, match="Invalid argument"):
        cpu_seconds(process.pid)
    assert cpu_seconds_of([process.pid]) == 0


def test_memory_at_its_highest_is_at_least_what_it_is() -> None:
    memory = Memory.of(os.getpid())
    assert memory.peak >= memory.now > 1_000_000


def test_grandchildren_are_descendants() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SLEEP_IN_A_CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        grandchild = int(child.stdout.readline())
        assert {child.pid, grandchild} <= descendants(os.getpid())
        assert descendants(child.pid) == {grandchild}
        assert child.stdin is not None
        child.stdin.close()
