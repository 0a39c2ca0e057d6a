import shutil
import subprocess

from tests import readme
from tests.compose.compose_stack import ROOT, environment_with
from tests.compose.conftest import StackMaker


def test_the_docker_commands_of_the_readme_run_one_after_the_other(new_stack: StackMaker) -> None:
    block = readme.block_with("make up EMBEDDED=1")
    assert set(block) == readme.RUN_WITH_DOCKER
    with new_stack() as stack:
        shutil.copy(ROOT / "Makefile", stack.root)
        ran = subprocess.run(
            ["bash", "-eux", "-c", "\n".join(block)],  # noqa: S607 - bash is found on PATH
            cwd=stack.root,
            env=environment_with(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        for said in ("workers connected: 2", "COMPLETED in", "Workers connected: 3."):
            assert said in ran.stdout
        assert stack.containers("worker", stopped=True) == []
