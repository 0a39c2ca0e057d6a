"""The scheduler takes as many files as it may have."""

import resource
import subprocess
import sys

import pytest


def soft_after(soft: int, hard: int) -> int:
    """The limit of a process that began with these, once it has lifted it."""
    program = (
        "import resource\n"
        "from services.scheduler.app import _lift_file_limit\n"
        "_lift_file_limit()\n"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)),
        capture_output=True,
        text=True,
        check=True,
    )
    return int(ran.stdout)


@pytest.mark.parametrize(
    ("soft", "hard", "after"), [(100, 4_000, 4_000), (4_000, 4_000, 4_000), (50, 60, 60)]
)
def test_the_limit_of_files_is_lifted_as_far_as_it_may_be(soft: int, hard: int, after: int) -> None:
    assert soft_after(soft, hard) == after
