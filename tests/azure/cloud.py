"""A cloud of a test's own: the stand-in for `az` on a PATH, what exists there, what was called."""

import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from scripts.local_stack import ROOT
from tests.azure import stand_in

UP: Final = (
    "-g", "rg", "-n", "sched", "--location", "westus2", "--ip-allowlist", "203.0.113.7",
)  # fmt: skip
OF: Final = ("-g", "rg", "-n", "sched")
SCOPE: Final = (
    f"/subscriptions/{stand_in.SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.DurableTask"
    "/schedulers/sched/taskHubs/default"
)
_SECONDS_MAX: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a script came to."""

    code: int
    out: str
    err: str


def run(command: list[str], cwd: Path, environment: dict[str, str], typed: str = "") -> Ran:
    """Runs a command to its end, which reads `typed`, and no terminal."""
    ran = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        input=typed,
        capture_output=True,
        text=True,
        timeout=_SECONDS_MAX,
        check=False,
    )
    return Ran(code=ran.returncode, out=ran.stdout, err=ran.stderr)


def run_without_az(script: str, *arguments: str) -> Ran:
    """Runs a script on a machine that has no `az`."""
    command = [str(ROOT / "scripts" / script), *arguments]
    return run(command, ROOT, {"PATH": "/usr/bin:/bin"})


class Cloud:
    """The stand-in's folder, through which a test sets it up and reads what became of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        az = folder / "az"
        # Isolated: it starts in a third of the time.
        source = Path(stand_in.__file__).read_text()
        az.write_text(f"#!{sys.executable} -IS\n{source}")
        az.chmod(0o755)
        (folder / "calls.jsonl").touch()
        (folder / "faults.json").write_text("[]")
        user = {"name": "ada@example.com", "type": "user"}
        self._save(
            {
                "extensions": {"durabletask": "1.0.0"},
                "account": {"id": stand_in.SUBSCRIPTION, "name": "Orders", "user": user},
                "provider": {
                    "registrationState": "Registered",
                    "resourceTypes": [
                        {"resourceType": "schedulers", "locations": ["West US 2", "North Europe"]}
                    ],
                },
                "group": {}, "scheduler": {}, "taskhub": {}, "identity": {}, "roles": [],
                "others": [],
            }
        )  # fmt: skip

    @property
    def state(self) -> dict[str, Any]:
        """What exists."""
        state = json.loads((self.folder / "cloud.json").read_text())
        assert isinstance(state, dict)
        return state

    def has(self, **parts: Any) -> None:
        """Makes parts of what exists something else."""
        self._save(self.state | parts)

    def fails(
        self, of: str, said: str, *, code: int = 1, times: int = 1, out: str = "", **how: bool
    ) -> None:
        """Makes the next calls that begin so fail."""
        path = self.folder / "faults.json"
        fault = {"of": of, "said": said, "code": code, "times": times, "out": out, **how}
        path.write_text(json.dumps([*json.loads(path.read_text()), fault]))

    @property
    def calls(self) -> list[str]:
        """What was called, as a person types it."""
        lines = (self.folder / "calls.jsonl").read_text().splitlines()
        return [shlex.join(["az", *json.loads(line)]) for line in lines]

    @property
    def changes(self) -> list[str]:
        """The calls that change something."""
        looks = {"show", "list", "version"}
        return [call for call in self.calls if not looks & set(call.split()[1:5])]

    def environment(self, **variables: str) -> dict[str, str]:
        """The environment of a person whose `az` is the stand-in."""
        path = f"{self.folder}{os.pathsep}{os.environ['PATH']}"
        return os.environ | {"PATH": path} | variables

    def start(self, script: str, *arguments: str) -> "subprocess.Popen[str]":
        """Starts a script in a session of its own, as a terminal gives it."""
        return subprocess.Popen(
            [str(ROOT / "scripts" / script), *arguments],
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, script: str, *arguments: str, typed: str = "", **variables: str) -> Ran:
        """Runs a script to its end, from another folder than the checkout."""
        command = [str(ROOT / "scripts" / script), *arguments]
        return run(command, self.folder, self.environment(**variables), typed)

    def run_command(self, command: list[str]) -> Ran:
        """Runs a command in the checkout."""
        return run(command, ROOT, self.environment())

    def _save(self, state: dict[str, Any]) -> None:
        (self.folder / "cloud.json").write_text(json.dumps(state))
