"""What callers were told, and what must therefore be true for good."""

import json
from dataclasses import dataclass, field

from tests.simulation.invariants import Invariants, events_of, request_ids
from tests.simulation.tables import Picture, Row
from tests.simulation.violation import Violation

# An instance of an id: when it was created, by a clock that never shows a time twice.
Incarnation = tuple[str, int]


@dataclass(slots=True, kw_only=True)
class Ledger:
    """The calls that have been acknowledged."""

    raised: dict[str, Incarnation] = field(default_factory=dict)
    signaled: dict[str, str] = field(default_factory=dict)
    ended: set[Incarnation] = field(default_factory=set)
    gone: set[Incarnation] = field(default_factory=set)
    # Names of entities of which a batch was failed: nobody knows what it held.
    given_up: set[str] = field(default_factory=set)

    def hold(self, now: Picture, invariants: Invariants) -> None:
        """Raises `Violation` for an acknowledged call that has left nothing behind."""
        rows = {(row.instance_id, row.created_at): row for row in now.rows.values()}
        back = sorted(self.gone & rows.keys())
        if back:
            raise Violation(f"purged or replaced, and back again: {back}")
        for incarnation in sorted(self.ended & rows.keys()):
            if not rows[incarnation].status.is_terminal:
                raise Violation(f"{rows[incarnation]} was terminated")
        self._hold_events(rows, invariants)
        self._hold_signals(now)

    def _hold_events(self, rows: dict[Incarnation, Row], invariants: Invariants) -> None:
        known: dict[Incarnation, set[str]] = {}
        for data, incarnation in list(self.raised.items()):
            row = rows.get(incarnation)
            if row is None:
                continue
            rewound = row.is_rewinding or invariants.story_of(row).rewound
            if row.status.is_terminal or rewound:
                # What an execution had not taken in went with its end.
                del self.raised[data]
                continue
            if incarnation not in known:
                known[incarnation] = set(events_of(row, invariants.story_of(row)))
            if data not in known[incarnation]:
                raise Violation(f"event {data} was raised, and {row} has lost it")

    def _hold_signals(self, now: Picture) -> None:
        coming = {asked for event in now.delayed for asked in request_ids(event)}
        for entity in now.entities.values():
            coming |= {asked for event in entity.queue for asked in request_ids(event)}
            if entity.state is not None:
                coming |= set(json.loads(entity.state)["seen"])
        for request_id, entity_id in self.signaled.items():
            name = entity_id.split("@")[1]
            if request_id not in coming and name not in self.given_up:
                raise Violation(f"signal {request_id} to {entity_id} was accepted, and is lost")
