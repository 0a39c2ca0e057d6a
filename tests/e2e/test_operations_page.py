"""What docs/operations.md tells an operator to type, typed."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.local_stack import ROOT
from tests.e2e.damage import payload_file
from tests.e2e.keeping import Keeper

PAGE = (ROOT / "docs" / "operations.md").read_text()
BLOCKS = re.findall(r"^```bash\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


def block_with(text: str) -> str:
    """The one block of commands that holds a text."""
    [block] = [block for block in BLOCKS if text in block]
    return str(block)


@pytest.fixture
def checkout(keeper: Keeper, tmp_path: Path) -> Path:
    """A checkout with two task hubs in `data`, and a backup of them."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    shutil.copytree(ROOT / "services", folder / "services")
    for lock in folder.glob("services/*/requirements.txt"):
        # What is installed is that of these.
        os.utime(lock, (0, 0))
    shutil.copy(ROOT / "Makefile", folder)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    shutil.copytree(keeper.data, folder / "data")
    shutil.copy(folder / "data" / "default.db", folder / "data" / "orders.db")
    type_in(folder, "make backup LOCAL=1 FILE=home.backup")
    return folder


def type_in(checkout: Path, commands: str) -> str:
    """Runs commands in a shell, where no setting is set; all must succeed."""
    settings = ("SCHEDULER_DATA_DIR", "PAYLOAD_STORE", "RUNS_IN_CONTAINER", "MAKEFLAGS")
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],  # noqa: S607 - bash is found on PATH
        cwd=checkout,
        env={name: value for name, value in os.environ.items() if name not in settings},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


CHECK = "make check-data LOCAL=1"


def test_a_restore_is_tried_beside_what_is_served(checkout: Path, tmp_path: Path) -> None:
    commands = block_with("/tmp/trial").replace("/tmp/trial", str(tmp_path / "trial"))  # noqa: S108 - it is replaced
    assert "2 task hubs, nothing is wrong" in type_in(checkout, commands)


def test_damaged_files_are_moved_away_and_all_is_restored(checkout: Path) -> None:
    (checkout / "data" / "orders.db").write_text("Dear diary, " * 100)
    type_in(checkout, block_with('mkdir "$damaged" && mv data/*.db*'))
    assert "2 task hubs, nothing is wrong" in type_in(checkout, CHECK)


def test_one_of_several_hubs_and_lost_payloads_are_restored_alone(checkout: Path) -> None:
    (checkout / "data" / "orders.db").write_text("Dear diary, " * 100)
    payload_file(checkout / "data" / "default.db").unlink()
    kept = (checkout / "data" / "default.db").read_bytes()
    type_in(checkout, block_with("SCHEDULER_DATA_DIR=restored"))
    assert "2 task hubs, nothing is wrong" in type_in(checkout, CHECK)
    assert (checkout / "data" / "default.db").read_bytes() == kept
    # Or the collector would wait for the other directory for ever.
    other = (checkout / "restored" / "directory.id").read_text().strip()
    assert not (checkout / "data" / "payloads" / ".schedulers" / other).exists()
