"""`ENDPOINT` and `TASKHUB` in a `.env` file: written without losing a line that a person wrote."""

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.azure.errors import AzureError

_ASSIGNMENT: Final = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*")
_MODE: Final = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was done to the file: the lines that now are comments, and whether anything changed."""

    commented_out: tuple[str, ...]
    changed: bool


def lines_for(values: dict[str, str]) -> list[str]:
    """The lines of a `.env` file."""
    return [f"{name}={value}" for name, value in values.items()]


def value_in(path: Path, name: str) -> str | None:
    """The last value of `name` in a file, as dotenv takes it; None without one.

    Raises `AzureError` for a file that cannot be read.
    """
    found = None
    for line in _read(path).splitlines():
        match = _ASSIGNMENT.fullmatch(line)
        if match is not None and match[1] == name:
            found = match[2].strip("'\"")
    return found


def write(path: Path, values: dict[str, str]) -> Written:
    """Puts `values` into a file, new or not; an old value stays there as a comment.

    All of it or nothing: the file is replaced as a whole. Raises `AzureError`.
    """
    target = path.resolve()
    old = _read(target)
    missing = dict(values)
    lines: list[str] = []
    commented_out: list[str] = []
    for line in old.splitlines():
        match = _ASSIGNMENT.fullmatch(line)
        name = match[1] if match else None
        if match is None or name not in values:
            lines.append(line)
        elif match[2].strip("'\"") == values[name] and name in missing:
            del missing[name]
            lines.append(line)
        else:
            commented_out.append(line.strip())
            lines.append(f"# {line.strip()}")
            if name in missing:
                lines += lines_for({name: missing.pop(name)})
    lines += lines_for(missing)
    new = "".join(f"{line}\n" for line in lines)
    if new != old:
        _replace(target, new)
    return Written(commented_out=tuple(commented_out), changed=new != old)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise AzureError(f"{path} cannot be read: {error}") from error


def _replace(path: Path, text: str) -> None:
    try:
        mode = path.stat().st_mode & 0o777 if path.exists() else _MODE
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
            Path(name).chmod(mode)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise AzureError(f"{path} cannot be written: {error.strerror}") from error
