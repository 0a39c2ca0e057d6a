from pathlib import Path
from typing import Final

from scripts.local_stack import ROOT
from tests.browser.packages import run

MODULES: Final = ROOT / "services" / "dashboard" / "static" / "js"


def test_every_module_passes_the_strict_type_checker(packages: Path) -> None:
    modules = sorted(str(path) for path in MODULES.rglob("*.js"))
    assert modules
    checked = run(
        str(packages / "node_modules" / ".bin" / "tsc"),
        "--allowJs", "--checkJs", "--strict", "--noEmit",
        "--target", "es2022", "--module", "es2022", "--moduleResolution", "bundler",
        "--lib", "es2022,dom,dom.iterable", "--types", "",
        *modules,
        cwd=ROOT,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout


def test_every_module_asks_to_be_checked() -> None:
    unchecked = [
        path.name for path in MODULES.rglob("*.js") if "// @ts-check" not in path.read_text()[:200]
    ]
    assert unchecked == []
