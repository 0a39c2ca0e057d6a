"""Gives the role on a task hub to those who need it and do not have it."""

from collections.abc import Callable
from typing import Any, Final

from scripts.azure import commands
from scripts.azure.cli import Az
from scripts.azure.errors import CommandFailedError

# The directory learns of a new identity within two minutes or so.
_PAUSES_SECONDS: Final = (5, 10, 15, 20, 30, 40)
_NOT_KNOWN_YET: Final = ("PrincipalNotFound", "Cannot find user or service principal")
_EXISTS: Final = "RoleAssignmentExists"


class Grants:
    """The role on one task hub."""

    def __init__(self, az: Az, scope: str) -> None:
        self._az = az
        self._scope = scope

    def give(self, name: str, assignee: str) -> None:
        """Gives the role to `assignee`, who is called `name`; raises `AzureError`."""
        # What a new identity has is asked of the directory, which may not know it yet.
        has = self._patiently(lambda: self._az.look(commands.list_roles(self._scope, assignee)))
        if isinstance(has, list) and has:
            self._az.tell(f"has the role already, on {has[0].get('scope', 'it')}")
            return
        command = commands.assign_role(self._scope, assignee)
        what = f"{name} given the role {commands.ROLE}"
        try:
            self._patiently(lambda: self._az.change(what, command))
        except CommandFailedError as error:
            # Another run, at the same time.
            if _EXISTS not in error.said:
                raise
            self._az.tell("has the role already")

    def _patiently(self, call: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever the call gives
        for pause in _PAUSES_SECONDS:
            try:
                return call()
            except CommandFailedError as error:
                if not any(text in error.said for text in _NOT_KNOWN_YET):
                    raise
            self._az.tell(f"the directory does not know it yet; again in {pause} s")
            self._az.pause(pause)
        return call()
