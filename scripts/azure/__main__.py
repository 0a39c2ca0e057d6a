"""What the files beside this folder start: `python scripts/azure up ...`, from anywhere."""

import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - whoever runs this has not installed anything yet
    sys.exit("Python 3.11 or newer is needed: PYTHON=python3.13 scripts/azure-up ...")


def main() -> int:
    """Runs the command that is named first; returns the exit code."""
    # This folder, where Python looks first, would stand in for the package `azure`.
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    from scripts.azure import down, status, up  # noqa: PLC0415 - found from here on

    commands = {"up": up.main, "down": down.main, "status": status.main}
    name, *arguments = sys.argv[1:] or [""]
    if name not in commands:
        print("usage: scripts/azure-up|azure-down|azure-status [options]", file=sys.stderr)
        return 2
    return commands[name](arguments)


if __name__ == "__main__":
    sys.exit(main())
