"""Whether `az` is there, signed in and knows what we need of it."""

from dataclasses import dataclass

from scripts.azure import commands
from scripts.azure.cli import Az
from scripts.azure.errors import AzureError


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A sign-in. `kind` is what Azure calls it: user or servicePrincipal."""

    subscription_id: str
    subscription_name: str
    name: str
    kind: str


def prepare(az: Az, *, install: bool) -> Account:
    """Looks for `az`, its extension (added where `install`) and a sign-in; raises `AzureError`."""
    print("az, its extension and your sign-in", flush=True)
    version = az.look(
        commands.VERSION, dry={"extensions": {} if install else {commands.EXTENSION: ""}}
    )
    if commands.EXTENSION not in (version or {}).get("extensions", {}):
        if not install:
            raise AzureError(
                "az's extension is missing: az extension add --name durabletask (az 2.75 or newer)."
            )
        az.change("az's extension durabletask was added", commands.ADD_EXTENSION)
    user = {"name": "YOU", "type": "user"}
    shown = az.look(commands.ACCOUNT, dry={"id": "SUBSCRIPTION_ID", "name": "", "user": user})
    try:
        account = Account(
            subscription_id=shown["id"],
            subscription_name=shown["name"],
            name=shown["user"]["name"],
            kind=shown["user"]["type"],
        )
    except (KeyError, TypeError):
        raise AzureError(
            "az does not say who is signed in: az login, then run this again."
        ) from None
    az.tell(f"{account.name} ({account.kind}), subscription {account.subscription_name}")
    return account


def person_of(az: Az, account: Account) -> str:
    """The id by which roles are given to whoever is signed in; raises `AzureError`."""
    if account.kind == "servicePrincipal" and "-" in account.name:
        return account.name
    if account.kind != "user":
        raise AzureError(
            f"You are signed in as {account.name} ({account.kind}), whose object id az does not"
            " tell: pass it with --assignee."
        )
    found = az.look(commands.SIGNED_IN_PERSON, dry="YOUR_ID")
    if not found:
        raise AzureError("az does not tell your object id: pass it with --assignee.")
    return str(found)
