"""The page about the management API says what is so, and its commands run."""

import json
import re
import shutil
import subprocess

import pytest

from scripts.local_stack import ROOT
from services.scheduler.http.routes import OPERATIONS
from tests.e2e.conftest import StackMaker

PAGE = (ROOT / "docs" / "http-api.md").read_text()


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_commands_of_the_page_run_one_after_the_other(new_stack: StackMaker) -> None:
    blocks = re.findall(r"^```bash\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    commands = [command for block in blocks for command in re.split(r"\n(?=curl|\w+=)", block)]
    assert sum(command.startswith("curl") for command in commands) >= 18
    with new_stack(workers=0) as stack:
        # Every answer ends with a mark of its own: curl writes no line's end.
        script = "\n".join(
            f"{command.rstrip()}; echo" if command.startswith("curl") else command
            for command in commands
        ).replace("localhost:8081", f"localhost:{stack.http_port}")
        ran = subprocess.run(
            ["bash", "-euc", script],  # noqa: S607 - bash is found on PATH
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ran.returncode == 0, ran.stderr + ran.stdout
    answers = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(answers) == sum(command.startswith("curl") for command in commands)
    assert {"purged": 1} in answers
    assert {"instanceId": "@counter@visits"} in answers


def test_the_page_names_every_path_and_every_member() -> None:
    text = re.sub(r"[`{}]", " ", PAGE)
    for operation in OPERATIONS:
        last = [part for part in operation.path.split("/") if not part.startswith("{")][-1]
        assert last in text, operation.name
        for model in (operation.takes, operation.parameters):
            for field in {} if model is None else model.model_fields.values():
                assert re.search(rf"\b{field.alias}\b", text), (operation.name, field.alias)
