"""Backups of the stack's volumes, and restores into those of another one."""

import re
from pathlib import Path

from tests.compose.compose_stack import ComposeStack
from tests.compose.conftest import StackMaker
from tests.compose.test_stack import write_orders

# Large enough that its input is a file of the payload store.
ORDERS = 300


def test_a_backup_of_a_running_stack_is_restored_into_another(
    stack: ComposeStack, new_stack: StackMaker, tmp_path: Path
) -> None:
    file = tmp_path / "home.backup"
    stack.submit(ORDERS=str(write_orders(tmp_path / "kept.csv", ORDERS)))
    made = stack.script("backup", FILE=str(file))
    assert made.code == 0, made.err
    assert re.search(r"^  payloads +\d+ files?, ", made.err, flags=re.MULTILINE)
    assert f"the backup is {file}\n" in made.err
    assert " to -" not in made.err
    assert file.stat().st_mode & 0o777 == 0o600
    checked = stack.script("check-data")
    assert checked.code == 0, checked.out + checked.err

    again = stack.script("backup", FILE=str(file))
    assert (again.code, again.err) == (2, f"FILE={file}: there is such a file already.\n")
    refused = stack.script("restore", FILE=str(file))
    assert refused.code == 2
    assert "the data directory /data is in use by another scheduler" in refused.err

    with new_stack() as other:
        restored = other.script("restore", FILE=str(file))
        assert restored.code == 0, restored.err
        found = other.script("check-data")
        assert found.code == 0, found.out + found.err
        assert found.out == checked.out


def test_files_that_cannot_be_used_are_told(stack: ComposeStack, tmp_path: Path) -> None:
    for command in ("backup", "restore"):
        ran = stack.script(command)
        assert ran.code == 2
        assert f"make {command} FILE=home.backup" in ran.err
    missing = tmp_path / "missing" / "home.backup"
    assert stack.script("backup", FILE=str(missing)).code == 2
    assert stack.script("restore", FILE=str(missing)).code == 2
