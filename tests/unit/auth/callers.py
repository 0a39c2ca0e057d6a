"""A token file for tests, and one caller of each kind in it."""

from pathlib import Path

from services.scheduler.auth.gate import Gate
from services.scheduler.auth.tokens import TokenFile

READER = "reader-" + "r" * 32
CONTRIBUTOR = "contributor-" + "c" * 32
OTHER = "other-" + "o" * 32
EVERYWHERE = "everywhere-" + "e" * 32
EVERYWHERE_READER = "everywhere-reader-" + "e" * 32
UNKNOWN = "unknown-" + "u" * 32
LINES = (
    f"reader reader default {READER}\n"
    f"contributor contributor default {CONTRIBUTOR}\n"
    f"other contributor other,missing {OTHER}\n"
    f"everywhere contributor * {EVERYWHERE}\n"
    f"everywhere-reader reader * {EVERYWHERE_READER}\n"
)


def token_file(folder: Path, text: str = LINES) -> Path:
    """The file, its owner's alone."""
    path = folder / "tokens"
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def gate_of_file(folder: Path) -> Gate:
    """A gate that lets those in."""
    return Gate(TokenFile(token_file(folder)))


def bearer(token: str) -> dict[str, str]:
    """The header of a call."""
    return {"authorization": f"Bearer {token}"}
