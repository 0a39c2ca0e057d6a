"""Which tests stay in one process when `pytest -n` deals them out, and which begin."""

from typing import Final

from xdist.scheduler import LoadScopeScheduling

_ENGINE: Final = "tests/compose/"
_BROWSER: Final = "tests/browser/"
_LARGE: Final = "tests/e2e/test_hundred_thousand"
# Minutes of waiting, and nothing shared.
_ALONE: Final = "tests/e2e/test_poison"
# Stacks of its own, and two minutes of faults.
_CHAOS: Final = "tests/chaos/test_"
# What takes longest begins, so that no process has it left when the others are done.
_FIRST: Final = (_ENGINE, _BROWSER, _CHAOS, _LARGE, _ALONE, "tests/simulation/")


def rank(nodeid: str) -> int:
    """Smaller begins."""
    return next((n for n, path in enumerate(_FIRST) if nodeid.startswith(path)), len(_FIRST))


class InRooms(LoadScopeScheduling):  # type: ignore[misc]  # xdist is untyped
    """Deals out whole modules; what shares an engine is one, and so is the slow test on its own.

    The browser's tests come after the engine's where there are both: Chromium breaks off what it
    loads whenever a network of the machine comes or goes, such as Docker's.
    """

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(_ENGINE) or (nodeid.startswith(_BROWSER) and self._has_engine()):
            return _ENGINE
        return nodeid if nodeid.startswith(_ALONE) else nodeid.partition("::")[0]

    def _has_engine(self) -> bool:
        # Sorted by rank, so it would be the first.
        return bool(self.collection) and self.collection[0].startswith(_ENGINE)
