"""The commands of `az`, without its name in front; the one place where they are written down."""

import json
from typing import Final

from scripts.azure.inputs import Settings

PROVIDER: Final = "Microsoft.DurableTask"
ROLE: Final = "Durable Task Data Contributor"
EXTENSION: Final = "durabletask"

Command = list[str]

VERSION: Final = ["version", "-o", "json"]
ACCOUNT: Final = ["account", "show", "-o", "json"]
ADD_EXTENSION: Final = ["extension", "add", "--name", EXTENSION]
SHOW_PROVIDER: Final = ["provider", "show", "--namespace", PROVIDER, "-o", "json"]
REGISTER_PROVIDER: Final = ["provider", "register", "--namespace", PROVIDER, "--wait"]
SIGNED_IN_PERSON: Final = ["ad", "signed-in-user", "show", "--query", "id", "-o", "tsv"]


def show_group(group: str) -> Command:
    """A resource group."""
    return ["group", "show", "-n", group, "-o", "json"]


def create_group(group: str, location: str) -> Command:
    """A new resource group."""
    return ["group", "create", "-n", group, "--location", location, "-o", "json"]


def delete_group(group: str) -> Command:
    """A resource group, with all that is in it."""
    return ["group", "delete", "-n", group, "--yes"]


def list_resources(group: str) -> Command:
    """What is in a resource group."""
    return ["resource", "list", "-g", group, "-o", "json"]


def show_scheduler(group: str, scheduler: str) -> Command:
    """A scheduler."""
    return ["durabletask", "scheduler", "show", "-g", group, "-n", scheduler, "-o", "json"]


def show_endpoint(group: str, scheduler: str) -> Command:
    """A scheduler's endpoint, and nothing else."""
    show = ["durabletask", "scheduler", "show", "-g", group, "-n", scheduler]
    return [*show, "--query", "properties.endpoint", "-o", "tsv"]


def list_schedulers(group: str) -> Command:
    """The schedulers of a resource group."""
    return ["durabletask", "scheduler", "list", "-g", group, "-o", "json"]


def create_scheduler(group: str, scheduler: str, settings: Settings) -> Command:
    """A new scheduler."""
    create = ["durabletask", "scheduler", "create", "-g", group, "-n", scheduler]
    create += ["--location", settings.location, "--ip-allowlist", json.dumps(settings.allowlist)]
    create += ["--sku-name", settings.sku]
    return [*create, *(["--sku-capacity", str(settings.capacity)] if settings.capacity else [])]


def wait_for_scheduler(group: str, scheduler: str) -> Command:
    """Until a scheduler that somebody else is making is made."""
    return ["durabletask", "scheduler", "wait", "-g", group, "-n", scheduler, "--created"]


def delete_scheduler(group: str, scheduler: str) -> Command:
    """A scheduler; its task hubs must be gone."""
    return ["durabletask", "scheduler", "delete", "-g", group, "-n", scheduler, "--yes"]


def show_taskhub(group: str, scheduler: str, hub: str) -> Command:
    """A task hub."""
    return [*_taskhub("show", group, scheduler, hub), "-o", "json"]


def list_taskhubs(group: str, scheduler: str) -> Command:
    """The task hubs of a scheduler."""
    listing = ["durabletask", "taskhub", "list", "-g", group, "--scheduler-name", scheduler]
    return [*listing, "-o", "json"]


def create_taskhub(group: str, scheduler: str, hub: str) -> Command:
    """A new task hub."""
    return _taskhub("create", group, scheduler, hub)


def wait_for_taskhub(group: str, scheduler: str, hub: str) -> Command:
    """Until a task hub that somebody else is making is made."""
    return [*_taskhub("wait", group, scheduler, hub), "--created"]


def delete_taskhub(group: str, scheduler: str, hub: str) -> Command:
    """A task hub, with all its orchestrations."""
    return [*_taskhub("delete", group, scheduler, hub), "--yes"]


def show_identity(group: str, identity: str) -> Command:
    """A user-assigned managed identity."""
    return ["identity", "show", "-g", group, "-n", identity, "-o", "json"]


def create_identity(group: str, identity: str, location: str) -> Command:
    """A new user-assigned managed identity."""
    return ["identity", "create", "-g", group, "-n", identity, "--location", location, "-o", "json"]


def delete_identity(group: str, identity: str) -> Command:
    """A user-assigned managed identity."""
    return ["identity", "delete", "-g", group, "-n", identity]


def list_roles(scope: str, assignee: str | None = None) -> Command:
    """Who has the role on a task hub, there or further up."""
    chosen = ["--assignee", assignee] if assignee else []
    listing = ["role", "assignment", "list", *chosen, "--role", ROLE, "--scope", scope]
    return [*listing, "--include-inherited", "-o", "json"]


def assign_role(scope: str, assignee: str) -> Command:
    """Gives somebody the role on a task hub."""
    create = ["role", "assignment", "create", "--assignee", assignee]
    return [*create, "--role", ROLE, "--scope", scope]


def scope_of(subscription_id: str, group: str, scheduler: str, hub: str) -> str:
    """A task hub's resource id."""
    return (
        f"/subscriptions/{subscription_id}/resourceGroups/{group}/providers/{PROVIDER}"
        f"/schedulers/{scheduler}/taskHubs/{hub}"
    )


def dashboard_of(endpoint: str, hub: str) -> str:
    """The managed dashboard's page of a task hub."""
    return f"https://dashboard.durabletask.io/?endpoint={endpoint}&taskhub={hub}"


def _taskhub(verb: str, group: str, scheduler: str, hub: str) -> Command:
    of = ["-g", group, "--scheduler-name", scheduler, "--name", hub]
    return ["durabletask", "taskhub", verb, *of]
