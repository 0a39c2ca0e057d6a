"""Every kind of fault by its name, and the lanes that they come on."""

from collections.abc import Mapping
from typing import Final

from tests.chaos.faults import clock, crowds, disk, liars, network, programs, signals
from tests.chaos.kinds import Kind

_MODULES: Final = (signals, network, disk, clock, liars, programs, crowds)
KINDS: Final[Mapping[str, Kind]] = {kind.name: kind for module in _MODULES for kind in module.KINDS}
LANES: Final = tuple(sorted({lane for kind in KINDS.values() for lane in kind.lanes}))
