"""What a check can find wrong with a data directory, and what to do about each."""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

_NUMBERS: Final = re.compile(r"\d+")
_RESTORE: Final = (
    "stop the scheduler, keep a copy of the data directory, and restore the last backup"
    " (docs/operations.md, Recover)"
)
_PAYLOADS: Final = (
    "put the file back from a backup of the payload store; what reads it fails with"
    " PayloadMissingError until then (docs/operations.md, Recover)"
)
_REPORT: Final = (
    "nothing serves these rows; back up, and tell us: no version of the scheduler should leave them"
)


class Kind(Enum):
    """What is wrong, and what to do."""

    UNUSABLE = ("the file cannot be used", _RESTORE)
    OUT_OF_REACH = (
        "the file cannot be read where it is",
        "copy it, with its log (-wal), to a disk that can be written, and look at the copy",
    )
    DAMAGED = ("the file is damaged", _RESTORE)
    SCHEMA = ("its tables are not those of a task hub", _RESTORE)
    CUT_SHORT = ("a restore was cut short", "start the scheduler, which ends it")
    STATUS = ("an instance's status contradicts its row", _RESTORE)
    HISTORY = ("a history is damaged or has a gap", _RESTORE)
    STUCK = (
        "an instance waits for what will not come",
        "terminate it, or restore the last backup (docs/operations.md, Recover)",
    )
    COUNTS = ("a count differs from its table: lists show wrong numbers", _RESTORE)
    ORPHAN_HISTORIES = ("histories of missing instances", _REPORT)
    ORPHAN_MESSAGES = ("messages of missing instances", _REPORT)
    ORPHAN_ALARMS = ("timers of missing instances", _REPORT)
    ORPHAN_ACTIVITIES = ("activities of missing instances", _REPORT)
    ORPHAN_OPERATIONS = ("operations of missing entities", _REPORT)
    ORPHAN_REFERENCES = (
        "payloads held for what is missing",
        "their files stay in the payload store for ever; nothing else comes of it",
    )
    LOCK = (
        "an entity is locked for an orchestration that has ended",
        "release it with the client's clean_entity_storage(release_orphaned_locks=True)",
    )
    UNHELD = (
        "a payload is named and not held: its file may be collected",
        "copy the payload store now; restore the last backup",
    )
    PAYLOAD = ("a payload's file is missing or damaged", _PAYLOADS)
    NO_STORE = (
        "payloads are named, and PAYLOAD_STORE names no directory here",
        "check again with the PAYLOAD_STORE of the scheduler",
    )

    @property
    def what(self) -> str:
        """What is wrong."""
        return self.value[0]

    @property
    def advice(self) -> str:
        """What to do."""
        return self.value[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong; `where` is a row, an instance, a file, with what was seen there."""

    kind: Kind
    hub: str
    where: str

    @property
    def gist(self) -> str:
        """The same for findings that say nothing new: of a bad page, SQLite tells cell by cell."""
        return _NUMBERS.sub("n", self.where) if self.kind is Kind.DAMAGED else self.where
