"""The statuses of an orchestration: their word, their icon, and their name in an address."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """`code` is the API's, `key` stands in addresses and in class names."""

    code: str
    key: str
    word: str
    icon: str


def _status(word: str, icon: str) -> Status:
    code = f"ORCHESTRATION_STATUS_{word.upper()}"
    return Status(code=code, key=word.lower(), word=word, icon=icon)


RUNNING: Final = _status("Running", "running")
COMPLETED: Final = _status("Completed", "check")
FAILED: Final = _status("Failed", "cross")
TERMINATED: Final = _status("Terminated", "stop")
PENDING: Final = _status("Pending", "clock")
SUSPENDED: Final = _status("Suspended", "pause")

# In the order in which they are shown: what is alive, what went wrong, what is done.
ALL: Final = (RUNNING, PENDING, SUSPENDED, FAILED, TERMINATED, COMPLETED)
ENDED: Final = frozenset({COMPLETED.key, FAILED.key, TERMINATED.key})

_BY_CODE: Final = {status.code: status for status in ALL}
BY_KEY: Final = {status.key: status for status in ALL}


def status_of(code: str) -> Status:
    """The status of a code; one that a later scheduler may send is shown by its name."""
    word = code.removeprefix("ORCHESTRATION_STATUS_").capitalize()
    return _BY_CODE.get(code) or Status(code=code, key="pending", word=word, icon="clock")
