"""Every kind of fault by its name, and the lanes that they come on."""

from collections.abc import Mapping
from typing import Final

from tests.chaos.faults import clock, disk, network, signals
from tests.chaos.kinds import Kind

KINDS: Final[Mapping[str, Kind]] = {
    kind.name: kind for module in (signals, network, disk, clock) for kind in module.KINDS
}
LANES: Final = tuple(sorted({lane for kind in KINDS.values() for lane in kind.lanes}))
