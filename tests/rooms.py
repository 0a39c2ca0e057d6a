"""Which tests stay in one process when `pytest -n` deals them out, and which begin."""

from typing import Final

from xdist.scheduler import LoadScopeScheduling

# What takes longest begins, so that no process has it left when the others are done.
_FIRST: Final = ("tests/compose/", "tests/browser/", "tests/e2e/test_poison", "tests/simulation/")
# What shares an engine, or a browser with its stack; and those two one after the other: Chromium
# breaks off what it loads whenever a network of the machine comes or goes, such as Docker's.
_MACHINE: Final = ("tests/compose/", "tests/browser/")
# Minutes of waiting, and nothing shared.
_ALONE: Final = ("tests/e2e/test_poison",)


def rank(nodeid: str) -> int:
    """Smaller begins."""
    return next((n for n, path in enumerate(_FIRST) if nodeid.startswith(path)), len(_FIRST))


class InRooms(LoadScopeScheduling):  # type: ignore[misc]  # xdist is untyped
    """Deals out whole modules, but for the exceptions above."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(_MACHINE):
            return "machine"
        return nodeid if nodeid.startswith(_ALONE) else nodeid.partition("::")[0]
