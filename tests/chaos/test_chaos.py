import re
import subprocess
import sys

import pytest

from scripts.local_stack import ROOT
from tests.chaos.namespaces import why_not
from tests.chaos.schedule import schedule
from tests.chaos.seeds import CI_MINUTES, CI_SEEDS


@pytest.fixture(scope="module")
def isolation(*, in_ci: bool) -> None:
    """Namespaces for a stack of its own."""
    reason = why_not()
    if reason is not None:
        text = f"this machine cannot isolate a stack: {reason}"
        if in_ci:
            pytest.fail(text, pytrace=False)
        pytest.skip(text)


@pytest.mark.slow  # the faults go on for half a minute
@pytest.mark.usefixtures("isolation")
@pytest.mark.parametrize("seed", CI_SEEDS)
def test_the_books_are_right_after_a_schedule_of_faults(seed: int) -> None:
    arguments = ["--seed", str(seed), "--minutes", str(CI_MINUTES)]
    ran = subprocess.run(
        [sys.executable, "-m", "tests.chaos", *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    assert f"lost: 0; seed {seed}," in ran.stdout
    planned = len(schedule(seed, CI_MINUTES * 60))
    assert re.search(rf"^all +{planned} +{planned} ", ran.stdout, re.MULTILINE), ran.stdout
