"""What the figures belong to: the machine, the versions, the commit."""

import os
import platform
import sqlite3
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Final

from scripts.bench.disk import FileSystem
from scripts.bench.errors import BenchError
from scripts.local_stack import ROOT

_PACKAGES: Final = ("durabletask", "grpcio", "protobuf", "uvloop")
_GIB: Final = 2**30


def check_system() -> None:
    """Raises `BenchError` where there is no `/proc` to read."""
    if platform.system() != "Linux":
        raise BenchError("the bench reads what Linux tells of processes: it runs nowhere else")


def describe(directory: Path) -> dict[str, str]:
    """What to print above the figures; `directory` is where the data goes."""
    disk = FileSystem.of(directory)
    return {
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory() / _GIB:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "data on": f"{disk.kind}, {disk.device}",
        "Python": f"{platform.python_version()}, SQLite {sqlite3.sqlite_version}",
        "packages": ", ".join(f"{name} {version(name)}" for name in _PACKAGES),
        "commit": _commit(),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _commit() -> str:
    try:
        ran = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],  # noqa: S607 - git is found on PATH
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return ran.stdout.strip()
