"""Reads Bicep files as data. No Bicep compiler can be had from the registries that tests use."""

import functools
import re
from pathlib import Path
from typing import Any, Final

from pycep import BicepParser

from scripts.local_stack import ROOT

FOLDER: Final = ROOT / "deploy" / "azure"
FILES: Final = sorted(FOLDER.glob("*.bicep"))
# What the files call: Bicep's own functions.
_FUNCTIONS: Final = frozenset(
    {
        "empty", "guid", "json", "replace", "split", "string", "subscription",
        "subscriptionResourceId", "union", "uniqueString",
    }
)  # fmt: skip
_WORDS: Final = frozenset({"true", "false", "null", "if", "for", "in", "existing"})
_SECTIONS: Final = ("parameters", "variables", "resources", "modules")


def parsed(path: Path) -> dict[str, Any]:
    """A file as pycep reads it: parameters, variables, resources, modules and outputs by name."""
    return _parsed(path.read_text())


@functools.cache
def _parsed(text: str) -> dict[str, Any]:
    return dict(BicepParser().parse(text=text))


def declared(path: Path) -> set[str]:
    """Every name that a file declares."""
    tree = parsed(path)
    return {name for section in _SECTIONS for name in tree.get(section, {})}


def expressions(path: Path) -> str:
    """A file's text without comments, decorators, types and strings; what is in `${}` stays."""
    text = re.sub(r"//[^\n]*", "", re.sub(r"(?m)^@.*$", "", path.read_text()).replace("://", ":"))
    holes = re.findall(r"\$\{([^}]*)\}", text)
    return re.sub(r"'[^'\n]*'", " '' ", text) + "\n" + "\n".join(holes)


def used(path: Path) -> set[str]:
    """Every name that a file's expressions begin with."""
    text = re.sub(r"(?m)^\s*(targetScope\b.*)$", "", expressions(path))
    text = re.sub(
        r"(?m)^(param|var|output|resource|module)\s+\w+(\s+(string|int|object|bool))?", "", text
    )
    found = set()
    for match in re.finditer(r"(?<![\w.$'])([A-Za-z_]\w*)\s*(:?)", text):
        # A word before a colon is a property's name; in a condition there is a blank before it.
        if not (match[2] and text[match.end(1)] == ":"):
            found.add(match[1])
    return found - _FUNCTIONS - _WORDS


def unused(path: Path) -> set[str]:
    """Parameters and variables that nothing needs: the Bicep linter warns of them."""
    tree = parsed(path)
    names = {*tree.get("parameters", {}), *tree.get("variables", {})}
    return names - used(path)
