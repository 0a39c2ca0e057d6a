"""Reads settings from environment variables and from `.env`, which never overrides them.

Owns the rules that every service's settings follow: a blank value is an unset one, and a service
reports all its bad values at once. Only the `settings.py` of a service reads settings through it.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dotenv import load_dotenv

from services.shared.errors import BadSetting, SettingsError
from services.shared.secrets import without_secrets

_PORT_MAX: Final = 65_535
_DOTENV: Final = Path(__file__).resolve().parents[2] / ".env"


class Environment:
    """The variables of one process, and what was found wrong with them so far.

    Read every setting, then call `check()`: it raises `SettingsError` with all the bad ones. A bad
    value reads as its default until then.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self._problems: list[BadSetting] = []
        self._names: list[str] = []

    @classmethod
    def of_process(cls, dotenv: Path = _DOTENV) -> "Environment":
        """The environment of this process, with what `dotenv` adds to it.

        The file's values go into `os.environ`, because `azure-identity` reads its own from there.
        """
        environment = cls(os.environ)
        try:
            load_dotenv(dotenv, override=False)
        except (OSError, ValueError) as error:
            environment.refuse(".env", str(dotenv), f"a readable UTF-8 text file ({error})")
        # Read when gRPC is imported, which every service does later. Left alone, its core writes
        # its own lines to the terminal beside what we say of the same errors.
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        return environment

    @property
    def names(self) -> tuple[str, ...]:
        """The variables read so far, in the order of reading."""
        return tuple(self._names)

    def refuse(self, name: str, value: str, allowed: str) -> None:
        """Notes that `name` has a `value` that cannot be used; secrets in it are not told."""
        told = without_secrets(value)
        self._problems.append(BadSetting(name=name, value=told, allowed=allowed))

    def check(self) -> None:
        """Raises `SettingsError` when any value read so far cannot be used."""
        if self._problems:
            raise SettingsError(tuple(self._problems))

    def tell_grpc(self, name: str, value: str) -> None:
        """Sets a variable that the core of gRPC reads by itself, from the process's alone.

        It counts for all of gRPC in this process, and for processes that are started from it.
        """
        if self._values is os.environ:
            os.environ[name] = value

    def optional(self, name: str) -> str | None:
        """The value of `name` without surrounding blanks, or None when it is unset or blank."""
        self._names.append(name)
        return self._values.get(name, "").strip() or None

    def path(self, name: str) -> Path | None:
        """A path, or None when unset."""
        value = self.optional(name)
        return None if value is None else Path(value)

    def text(self, name: str, default: str, *, pattern: str, allowed: str) -> str:
        """A text that `pattern` matches as a whole."""
        value = self.optional(name)
        if value is None:
            return default
        if re.fullmatch(pattern, value) is None:
            self.refuse(name, value, allowed)
            return default
        return value

    def choice(self, name: str, default: str, *, choices: tuple[str, ...]) -> str:
        """One of `choices`, in any case of letters."""
        value = (self.optional(name) or default).lower()
        if value in choices:
            return value
        self.refuse(name, value, f"one of {', '.join(choices)}")
        return default

    def flag(self, name: str) -> bool:
        """A yes or no; no when unset."""
        return self.choice(name, "0", choices=("0", "1", "false", "true")) in {"1", "true"}

    def integer(self, name: str, default: int, *, minimum: int, maximum: int) -> int:
        """A whole number from `minimum` to `maximum`."""
        value = self.optional(name)
        if value is None:
            return default
        if re.fullmatch(r"[0-9]{1,12}", value) and minimum <= int(value) <= maximum:
            return int(value)
        self.refuse(name, value, f"a whole number from {minimum} to {maximum}")
        return default

    def port_or_none(self, name: str) -> int | None:
        """A port, 0 for any free one; None when unset or `off`."""
        value = self.optional(name)
        if value is None or value.lower() == "off":
            return None
        if re.fullmatch(r"[0-9]{1,5}", value) and int(value) <= _PORT_MAX:
            return int(value)
        self.refuse(name, value, f"a port from 0 to {_PORT_MAX}, or off")
        return None

    def rate(self, name: str, default: float) -> float:
        """A probability from 0 to 1."""
        value = self.optional(name)
        if value is None:
            return default
        if re.fullmatch(r"(0?\.[0-9]+|[01](\.[0-9]*)?)", value) and 0 <= float(value) <= 1:
            return float(value)
        self.refuse(name, value, "a number from 0 to 1, such as 0.1")
        return default
