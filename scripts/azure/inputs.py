"""What a person may ask for: the syntax of names, places, sizes and addresses. Calls nothing.

Azure would refuse the same, but minutes later and half done.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from scripts.azure.errors import InputError

SKUS: Final = ("Consumption", "Dedicated")
# What the documentation sells for one scheduler.
CAPACITY_MAX: Final = 3
EVERYBODY: Final = frozenset({"0.0.0.0/0", "::/0"})

# The extension's own pattern. A name that begins with a hyphen would be an option to `az`, and our
# services ask for a letter or a digit there too.
_NAME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9-]{2,63}")
_GROUP: Final = re.compile(r"[A-Za-z0-9_(][A-Za-z0-9_.()-]{0,88}[A-Za-z0-9_()-]|[A-Za-z0-9_]")
_LOCATION: Final = re.compile(r"[a-z][a-z0-9]{2,39}")
_IDENTITY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,127}")
_SUBSCRIPTION: Final = re.compile(r"[^-\s\x00-\x1f][^\x00-\x1f]{0,127}")
_ID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# Python's own is_private has the addresses of documentation too, which a person may try.
_PRIVATE: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8",
        "169.254.0.0/16", "fc00::/7", "fe80::/10", "::1/128",
    )
)  # fmt: skip
_NAME_ALLOWED: Final = "3 to 64 letters, digits and hyphens, no hyphen first"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a new scheduler is to be: `capacity` in units, of a dedicated one only."""

    location: str
    sku: str
    capacity: int | None
    allowlist: tuple[str, ...]


@dataclass(slots=True)
class Checks:
    """Collects what is wrong, so that a person is told all of it at once."""

    problems: list[str] = field(default_factory=list)

    def finish(self) -> None:
        """Raises `InputError` when anything was wrong."""
        if self.problems:
            raise InputError(self.problems)

    def group(self, text: str) -> str:
        """A resource group's name."""
        allowed = "1 to 90 letters, digits and _ - . ( ), no dot last"
        return self._fits(_GROUP, text, "--resource-group", allowed)

    def scheduler(self, text: str) -> str:
        """A scheduler's name."""
        return self._fits(_NAME, text, "--name", _NAME_ALLOWED)

    def taskhub(self, text: str) -> str:
        """A task hub's name."""
        return self._fits(_NAME, text, "--taskhub", _NAME_ALLOWED)

    def identity(self, text: str) -> str:
        """A managed identity's name."""
        allowed = "3 to 128 letters, digits, _ and -, a letter or a digit first"
        return self._fits(_IDENTITY, text, "--identity", allowed)

    def location(self, text: str) -> str:
        """A region, by its short name."""
        short = text.replace(" ", "").lower()
        hint = f"; did you mean {short}?" if short != text and _LOCATION.fullmatch(short) else ""
        allowed = "a region's short name, such as westus2 (`az account list-locations -o table`)"
        return self._fits(_LOCATION, text, "--location", allowed + hint)

    def subscription(self, text: str | None) -> str | None:
        """A subscription's id or name."""
        if text is not None:
            self._fits(_SUBSCRIPTION, text, "--subscription", "a subscription's id or name")
        return text

    def assignee(self, text: str | None) -> str | None:
        """The object id of whoever gets the role."""
        if text is not None:
            allowed = "an object id, such as 11111111-2222-3333-4444-555555555555"
            self._fits(_ID, text, "--assignee", allowed)
        return text

    def seconds(self, text: str) -> float:
        """A time that a step may take."""
        if re.fullmatch(r"[0-9]{1,5}", text) and int(text):
            return float(text)
        self.problems.append(f"--timeout {text!r}: whole seconds from 1 to 99999")
        return 1.0

    def sku(self, text: str) -> str:
        """A SKU, in any case of letters."""
        for sku in SKUS:
            if text.lower() == sku.lower():
                return sku
        self.problems.append(f"--sku {text!r}: one of {', '.join(SKUS)}")
        return SKUS[0]

    def capacity(self, text: str | None, sku: str) -> int | None:
        """Capacity units: of a dedicated scheduler, and of no other."""
        if text is None:
            return 1 if sku == "Dedicated" else None
        if sku != "Dedicated":
            self.problems.append(f"--capacity {text!r}: only with --sku Dedicated")
        elif not (re.fullmatch(r"[0-9]{1,3}", text) and 1 <= int(text) <= CAPACITY_MAX):
            self.problems.append(f"--capacity {text!r}: a whole number from 1 to {CAPACITY_MAX}")
        else:
            return int(text)
        return None

    def allowlist(self, texts: Iterable[str]) -> tuple[str, ...]:
        """Who may connect: addresses and ranges; no default, for there is no good one."""
        entries = [part.strip() for text in texts for part in text.split(",") if part.strip()]
        if not entries:
            self.problems.append(
                "--ip-allowlist: say which addresses may connect: your own public one, such as"
                " 203.0.113.7, a range such as 203.0.113.0/24, or 0.0.0.0/0 for every address on"
                " the internet (a sign-in and the role are needed all the same)"
            )
        self.problems += [problem for entry in entries if (problem := _problem_with(entry))]
        return tuple(dict.fromkeys(entries))

    def _fits(self, pattern: re.Pattern[str], text: str, option: str, allowed: str) -> str:
        if pattern.fullmatch(text) is None:
            self.problems.append(f"{option} {text!r}: {allowed}")
        return text


def is_private(entry: str) -> bool:
    """Whether an allowed range is one that no caller from the internet ever has."""
    asked = ipaddress.ip_network(entry)
    return any(
        asked.version == network.version and asked.subnet_of(network)  # type: ignore[arg-type]  # of one version
        for network in _PRIVATE
    )


def _problem_with(entry: str) -> str | None:
    try:
        ipaddress.ip_network(entry)
    except ValueError:
        try:
            network = ipaddress.ip_network(entry, strict=False)
        except ValueError:
            allowed = "an IPv4 or IPv6 address, or a range such as 203.0.113.0/24"
            return f"--ip-allowlist {entry!r}: {allowed}"
        return f"--ip-allowlist {entry!r}: it has host bits set; did you mean {network}?"
    return None
