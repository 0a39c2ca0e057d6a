"""What fuzzing finds."""

import hashlib
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Self


class Violation(AssertionError):  # noqa: N818 - what it is, not how it ends
    """Something that must never be, whatever bytes have come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A violation with the input that leads to it."""

    target: str
    data: bytes
    text: str
    # The same for what is the same mistake.
    key: str

    @classmethod
    def of(cls, target: str, data: bytes, error: Exception) -> Self:
        """What an input has raised."""
        name = type(error).__name__
        if isinstance(error, Violation):
            where = "".join(char for char in str(error)[:200] if not char.isdigit())
        else:
            where = place_of(error)
        key = hashlib.blake2s(f"{target} {name} {where}".encode(), digest_size=6).hexdigest()
        return cls(target=target, data=data, text=f"{name}: {error} {where}", key=key)


def place_of(error: BaseException) -> str:
    """Where it was raised: file, function and line."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"at {frame.name} ({Path(frame.filename).name}:{frame.lineno})"
