import ast
import re
from pathlib import Path

import pytest

from tests.tidy.repository import ROOT, name_of, python_files

MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50
NAMES_THAT_SAY_NOTHING = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}

PYTHON = pytest.mark.parametrize("path", python_files(), ids=name_of)


@PYTHON
def test_a_module_is_one_room(path: Path) -> None:
    assert path.stem not in NAMES_THAT_SAY_NOTHING
    assert len(path.read_text().splitlines()) <= MODULE_LINES_MAX


@PYTHON
def test_a_function_fits_on_a_screen(path: Path) -> None:
    functions = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    too_long = [
        f"{node.name} at line {node.lineno}"
        for node in functions
        if (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES_MAX
    ]
    assert not too_long


@PYTHON
def test_a_suppression_carries_its_reason_on_its_line(path: Path) -> None:
    bare = [
        line.strip()
        for line in path.read_text().splitlines()
        if re.search(r"#\s*(noqa\b|type: ignore\b)", line)
        and not re.search(r"#\s*(noqa: [A-Z0-9, ]+ - \S|type: ignore\[[a-z, -]+\]\s+# \S)", line)
        and "re.search" not in line
    ]
    assert not bare


def test_only_the_settings_read_the_environment() -> None:
    readers = [
        name_of(path)
        for path in python_files()
        if ROOT / "services" in path.parents
        and re.search(r"os\.(environ|getenv)", path.read_text())
    ]
    assert readers == ["services/shared/environment.py"]


def test_one_word_stands_for_one_idea() -> None:
    second_words = re.compile(r"workflow|task[ _]queue", re.IGNORECASE)
    users = [
        name_of(path)
        for path in python_files()
        if ROOT / "services" in path.parents and second_words.search(path.read_text())
    ]
    assert not users
