"""What checks the pages and modules, installed from the lock in a folder of its own."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
_PARTS: Final = (".npmrc", "package.json", "package-lock.json")
_SECONDS_MAX: Final = 120


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    return subprocess.run(
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS_MAX,
        check=False,
    )


def install(folder: Path) -> str | None:
    """Installs them into `folder/node_modules`; says why where it cannot."""
    missing = [name for name in ("node", "npm") if shutil.which(name) is None]
    if missing:
        return f"there is no {' and no '.join(missing)}"
    for part in _PARTS:
        shutil.copy(HERE / part, folder)
    installed = run("npm", "ci", cwd=folder)
    return f"npm ci failed:\n{installed.stderr}" if installed.returncode else None
