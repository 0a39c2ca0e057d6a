"""Runs `az`: shows each command, reads its answer, bounds its time, and survives Ctrl-C.

`DryRun` shows the same commands and calls nothing.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any, Final, NoReturn

from scripts.azure.advice import advice_on
from scripts.azure.commands import Command
from scripts.azure.errors import AzureError, CommandFailedError

# A look is a call or two; making a scheduler took up to a quarter of an hour for others.
LOOK_SECONDS: Final = 120.0
CHANGE_SECONDS: Final = 1_800.0
_LAST_WORDS_SECONDS: Final = 10.0
_LINES_SHOWN: Final = 12

# `az` ends with 3 where a resource does not exist.
_NOT_FOUND_CODE: Final = 3
_NOT_FOUND: Final = re.compile(
    r"\((Resource|ResourceGroup|ParentResource)?NotFound\)|could not be found|was not found"
)
_NOT_ABOUT_A_RESOURCE: Final = re.compile(r"SubscriptionNotFound|InvalidSubscriptionId")
# These have no subscription.
_WITHOUT_SUBSCRIPTION: Final = frozenset({"version", "extension", "ad"})
_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_NOT_INSTALLED: Final = (
    "There is no command az: install the Azure CLI, 2.75 or newer"
    " (https://learn.microsoft.com/cli/azure/install-azure-cli), then run this again."
)


class Az:
    """The Azure CLI of this machine. `done` names what was changed, in order."""

    def __init__(
        self,
        *,
        subscription: str | None = None,
        change_seconds: float = CHANGE_SECONDS,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.done: list[str] = []
        self.pause = pause
        self.under_way: str | None = None
        self._subscription = subscription
        self._change_seconds = change_seconds

    def look(self, command: Command, *, dry: object = None) -> Any:  # noqa: ANN401 - decoded JSON
        """What `az` knows, as JSON or text; None where there is no such thing. Changes nothing.

        `dry` is what a dry run takes for the answer. Raises `AzureError`.
        """
        del dry
        self._show(command)
        try:
            said = self._run(command, LOOK_SECONDS)
        except CommandFailedError as error:
            if _NOT_FOUND.search(error.said) and not _NOT_ABOUT_A_RESOURCE.search(error.said):
                return None
            raise
        return self._read(command, said)

    def change(self, what: str, command: Command, *, dry: object = None) -> Any:  # noqa: ANN401 - decoded JSON
        """Carries out a command that changes something; `what` is it in words.

        Raises `AzureError`.
        """
        del dry
        self._show(command)
        self.under_way = what
        try:
            said = self._run(command, self._change_seconds)
        except CommandFailedError:
            self.under_way = None
            raise
        self.under_way = None
        self.done.append(what)
        return self._read(command, said) if "json" in command else said

    def tell(self, text: str) -> None:
        """Says how a step ended."""
        print(f"    {text}", flush=True)

    def _full(self, command: Command) -> Command:
        if self._subscription is None or command[0] in _WITHOUT_SUBSCRIPTION:
            return command
        return [*command, "--subscription", self._subscription]

    def _show(self, command: Command) -> None:
        print(f"  $ {shlex.join(['az', *self._full(command)])}", flush=True)

    def _run(self, command: Command, seconds: float) -> str:
        az = shutil.which("az")
        if az is None:
            raise AzureError(_NOT_INSTALLED)
        try:
            process = subprocess.Popen(
                [az, *self._full(command)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                env=_environment(),
            )
        except OSError as error:
            raise AzureError(f"{az} cannot be run: {error.strerror}. {_NOT_INSTALLED}") from error
        with process:
            try:
                out, said = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                _stop(process)
                text = (
                    f"az did not end within {seconds:g} s. What Azure has accepted goes on there:"
                    " run this again, it goes on from what exists; --timeout gives it longer."
                )
                raise AzureError(text) from None
            except BaseException:
                _stop(process)
                raise
        if process.returncode:
            _fail(said or out, process.returncode)
        return out

    def _read(self, command: Command, said: str) -> Any:  # noqa: ANN401 - decoded JSON
        if "json" not in command:
            return said.strip() or None
        try:
            # Nothing at all is how some commands say that there is no such thing.
            return json.loads(said) if said.strip() else None
        except ValueError:
            start = said.strip()[:200]
            raise AzureError(f"az answered with something that is no JSON: {start}") from None


class DryRun(Az):
    """Shows commands and calls nothing: every look finds what `dry` says."""

    def look(self, command: Command, *, dry: object = None) -> Any:  # noqa: ANN401 - as above
        """Shows the command."""
        self._show(command)
        return dry

    def change(self, what: str, command: Command, *, dry: object = None) -> Any:  # noqa: ANN401 - as above
        """Shows the command."""
        del what
        self._show(command)
        return dry

    def tell(self, text: str) -> None:
        """Nothing ends in a dry run."""


def catch_stop_signals() -> None:
    """Makes SIGTERM and SIGHUP end the script as Ctrl-C does."""
    for number in _STOP_SIGNALS:
        signal.signal(number, _interrupt)


def _interrupt(_number: int, _frame: object) -> NoReturn:
    # Once: an impatient second Ctrl-C must not hide what exists now.
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _environment() -> dict[str, str]:
    # No question that nobody sees, and no notes beside errors.
    quiet = {
        "AZURE_CORE_ONLY_SHOW_ERRORS": "1",
        "AZURE_CORE_NO_COLOR": "1",
        "AZURE_EXTENSION_USE_DYNAMIC_INSTALL": "no",
    }
    return os.environ | quiet


def _stop(process: "subprocess.Popen[str]") -> None:
    """Ends `az`, which a terminal's Ctrl-C has reached already; nothing is left behind."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_LAST_WORDS_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _fail(said: str, code: int) -> NoReturn:
    lines = [line for line in said.splitlines() if line.strip() and not _is_noise(line)]
    shown = "\n".join(f"    {line}" for line in lines[:_LINES_SHOWN]) or "    (it said nothing)"
    if code == _NOT_FOUND_CODE:
        said = f"{said} (NotFound)"
    raise CommandFailedError(f"az failed ({code}):\n{shown}\n{advice_on(said)}", said=said)


def _is_noise(line: str) -> bool:
    return line.startswith(("WARNING:", "https://aka.ms", "Read more about the command"))
