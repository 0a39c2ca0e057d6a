"""The dashboard's modules that need no page, run by Node's own test runner."""

import json
import shutil
from pathlib import Path
from typing import Final

import pytest

from scripts.local_stack import ROOT
from tests.browser.packages import run

MODULES: Final = ROOT / "services" / "dashboard" / "static" / "js"
TESTS: Final = Path(__file__).parent / "modules"
FILES: Final = sorted(path.name for path in TESTS.glob("*.test.mjs"))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, *, in_ci: bool) -> Path:
    """Modules and tests beside each other, in a package in which `.js` is a module."""
    if shutil.which("node") is None:
        reason = "there is no node to run the modules with"
        if in_ci:
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("modules")
    (folder / "package.json").write_text(json.dumps({"type": "module"}))
    shutil.copytree(MODULES, folder / "js")
    shutil.copytree(TESTS, folder / "modules")
    return folder


@pytest.mark.parametrize("name", FILES)
def test_the_models_of_the_tabs_hold(folder: Path, name: str) -> None:
    ran = run("node", "--test", "--test-reporter=tap", f"modules/{name}", cwd=folder)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "# fail 0" in ran.stdout
    assert "# pass 0" not in ran.stdout
