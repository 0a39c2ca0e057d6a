"""SECURITY.md names what is there."""

import re

from scripts.local_stack import ROOT

TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def test_every_promise_is_held_by_tests_that_there_are() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("| ")][2:]
    assert rows
    for row in rows:
        named = re.findall(r"`(tests/[^`]+)`", row.rpartition(" | ")[2])
        assert named, row
        assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_setting_that_it_names_is_one() -> None:
    known = (ROOT / ".env.example").read_text(encoding="utf-8")
    named = set(re.findall(r"`([A-Z][A-Z0-9]*_[A-Z0-9_]+)", TEXT))
    assert named
    assert {name for name in named if f"{name}=" not in known} == set()


def test_every_command_that_it_names_is_one() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`make ([a-z-]+)", TEXT):
        assert f"\n{target}:" in makefile, target
