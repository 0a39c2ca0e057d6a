"""Makes what is missing in a resource group, one step at a time; what exists is only looked at."""

from dataclasses import dataclass
from typing import Any, Final

from scripts.azure import commands
from scripts.azure.cli import Az
from scripts.azure.errors import AzureError
from scripts.azure.inputs import Settings

_READY: Final = "Succeeded"
_ON_THE_WAY: Final = frozenset({"accepted", "creating", "provisioning", "updating"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A user-assigned managed identity."""

    client_id: str
    principal_id: str


class Resources:
    """A resource group and what we have in it. Every method raises `AzureError`."""

    def __init__(self, az: Az, group: str) -> None:
        self._az = az
        self._group = group

    def register_provider(self, location: str) -> None:
        """The subscription's leave to use the service, which is not sold in every region."""
        shown = self._az.look(commands.SHOW_PROVIDER, dry={"registrationState": "NotRegistered"})
        shown = shown or {}
        regions = _regions_in(shown)
        if regions and location not in regions:
            raise AzureError(
                f"The scheduler is not sold in {location}; its regions are:"
                f" {', '.join(sorted(regions))}."
            )
        if shown.get("registrationState") == "Registered":
            self._az.tell("registered")
            return
        self._az.change(f"{commands.PROVIDER} registered", commands.REGISTER_PROVIDER)

    def make_group(self, location: str) -> None:
        """The resource group."""
        shown = self._az.look(commands.show_group(self._group))
        if shown is None:
            what = f"resource group {self._group} created"
            self._az.change(what, commands.create_group(self._group, location))
            return
        there = str(shown.get("location", location))
        note = "" if _short(there) == location else f" (in {there}; what is in it may be elsewhere)"
        self._az.tell(f"exists{note}")

    def make_scheduler(self, scheduler: str, settings: Settings) -> None:
        """The scheduler: with these settings if it is new, with its own if it exists."""
        shown = self._az.look(commands.show_scheduler(self._group, scheduler))
        if shown is None:
            self._az.tell("this takes up to a quarter of an hour")
            command = commands.create_scheduler(self._group, scheduler, settings)
            self._az.change(f"scheduler {scheduler} created", command)
            return
        if self._is_on_the_way(shown, f"scheduler {scheduler}"):
            waiting = commands.wait_for_scheduler(self._group, scheduler)
            self._az.change(f"scheduler {scheduler} is ready", waiting)
        self._az.tell("exists")
        for difference in _differences(shown, settings):
            self._az.tell(f"left as it is: {difference}")

    def make_taskhub(self, scheduler: str, hub: str) -> None:
        """The task hub."""
        shown = self._az.look(commands.show_taskhub(self._group, scheduler, hub))
        if shown is None:
            command = commands.create_taskhub(self._group, scheduler, hub)
            self._az.change(f"task hub {hub} created", command)
            return
        if self._is_on_the_way(shown, f"task hub {hub}"):
            waiting = commands.wait_for_taskhub(self._group, scheduler, hub)
            self._az.change(f"task hub {hub} is ready", waiting)
        self._az.tell("exists")

    def endpoint_of(self, scheduler: str) -> str:
        """The scheduler's endpoint."""
        command = commands.show_endpoint(self._group, scheduler)
        endpoint = str(self._az.look(command, dry="https://ENDPOINT") or "").rstrip("/")
        if not endpoint.startswith("https://"):
            raise AzureError(
                f"The scheduler {scheduler} has no endpoint yet (az says {endpoint!r}): wait a"
                " minute, then run this again."
            )
        return endpoint

    def make_identity(self, identity: str, location: str) -> Identity:
        """The managed identity of workers."""
        dry = {"clientId": "CLIENT_ID", "principalId": "IDENTITY_ID"}
        shown = self._az.look(commands.show_identity(self._group, identity))
        if shown is None:
            command = commands.create_identity(self._group, identity, location)
            shown = self._az.change(f"managed identity {identity} created", command, dry=dry)
        else:
            self._az.tell("exists")
        try:
            return Identity(client_id=shown["clientId"], principal_id=shown["principalId"])
        except (KeyError, TypeError):
            raise AzureError(f"az does not tell the ids of the identity {identity}.") from None

    def _is_on_the_way(self, shown: dict[str, Any], what: str) -> bool:
        state = str((shown.get("properties") or {}).get("provisioningState") or _READY)
        if state.lower() in _ON_THE_WAY:
            self._az.tell(f"{state}: somebody is making it, or an earlier run was interrupted")
            return True
        if state != _READY:
            raise AzureError(
                f"The {what} exists and is {state}: delete it (scripts/azure-down) or wait until it"
                " is gone, then run this again."
            )
        return False


def _regions_in(provider: dict[str, Any]) -> set[str]:
    types = provider.get("resourceTypes") or []
    return {
        _short(region)
        for kind in types
        if kind.get("resourceType") == "schedulers"
        for region in kind.get("locations") or []
    }


def _short(region: str) -> str:
    return region.replace(" ", "").lower()


def _differences(shown: dict[str, Any], settings: Settings) -> list[str]:
    properties = shown.get("properties") or {}
    has = properties.get("sku") or {}
    location, sku = settings.location, settings.sku
    allowlist = _listed(properties.get("ipAllowlist") or [])
    pairs = [
        ("location", _short(str(shown.get("location", location))), location),
        ("SKU", str(has.get("name", sku)), sku),
        ("allowed addresses", allowlist, _listed(settings.allowlist)),
    ]
    if settings.capacity is not None and has.get("name") == sku:
        pairs.append(("capacity", str(has.get("capacity")), str(settings.capacity)))
    return [
        f"its {name}: {there}, asked for: {wanted}" + _how_to_change(name)
        for name, there, wanted in pairs
        if there.lower() != wanted.lower()
    ]


def _listed(addresses: list[str] | tuple[str, ...]) -> str:
    return ", ".join(sorted(addresses)) or "none"


def _how_to_change(name: str) -> str:
    if name == "location":
        return " (a scheduler cannot move)"
    return " (az durabletask scheduler update changes it)"
