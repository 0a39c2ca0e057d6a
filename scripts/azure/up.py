"""From nothing to a scheduler and a task hub in Azure, and the roles to use them.

Looks before it creates: what exists is kept as it is, and said where it differs from what was asked
for. Run it as often as you like. docs/azure.md tells the way there and back.

  scripts/azure-up -g orders -n my-scheduler --location westus2 --ip-allowlist 203.0.113.7

Exit codes: 1 a step failed, 2 bad usage and nothing called, 130 interrupted.
"""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.azure import commands, dotenv
from scripts.azure.account import person_of, prepare
from scripts.azure.cli import Az
from scripts.azure.entry import carried_out, parser_of, refused
from scripts.azure.errors import InputError
from scripts.azure.inputs import EVERYBODY, Checks, Settings, is_private
from scripts.azure.resources import Resources
from scripts.azure.roles import Grants

_DOTENV: Final = Path(__file__).resolve().parents[2] / ".env"
_OF_ANOTHER_SCHEDULER: Final = ("ENDPOINT_CA", "ENDPOINT_TOKEN", "ENDPOINT_TOKEN_FILE")
_AGAIN: Final = (
    "The same command goes on from there: it looks before it creates. scripts/azure-status shows"
    " what exists."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person asks for. `identity` is None for none, `assignee` for whoever is signed in."""

    group: str
    scheduler: str
    taskhub: str
    settings: Settings
    identity: str | None
    assignee: str | None


def main(arguments: list[str]) -> int:
    """Runs `scripts/azure-up`; returns the exit code."""
    options = _parse(arguments)
    checks = Checks()
    try:
        wish = _read(options, checks)
        checks.subscription(options.subscription)
        seconds = checks.seconds(options.timeout)
        checks.finish()
    except InputError as error:
        return refused(error)
    _tell_allowlist(wish.settings.allowlist)
    return carried_out(options, seconds, lambda az: _work(az, wish, options), again=_AGAIN)


def _work(az: Az, wish: Wish, options: argparse.Namespace) -> int:
    account = prepare(az, install=True)
    resources = Resources(az, wish.group)
    print("resource provider", flush=True)
    resources.register_provider(wish.settings.location)
    print(f"resource group {wish.group}", flush=True)
    resources.make_group(wish.settings.location)
    print(f"scheduler {wish.scheduler}", flush=True)
    resources.make_scheduler(wish.scheduler, wish.settings)
    print(f"task hub {wish.taskhub}", flush=True)
    resources.make_taskhub(wish.scheduler, wish.taskhub)
    endpoint = resources.endpoint_of(wish.scheduler)
    scope = commands.scope_of(account.subscription_id, wish.group, wish.scheduler, wish.taskhub)
    grants = Grants(az, scope)
    print("role of whoever is signed in", flush=True)
    grants.give("you", wish.assignee or person_of(az, account))
    client_id = None
    if wish.identity is not None:
        print(f"managed identity {wish.identity}, for workers in Azure", flush=True)
        identity = resources.make_identity(wish.identity, wish.settings.location)
        client_id = identity.client_id
        grants.give(wish.identity, identity.principal_id)
    if not options.dry_run:
        _tell_result(endpoint, wish.taskhub, client_id)
    return _write(options, {"ENDPOINT": endpoint, "TASKHUB": wish.taskhub})


def _tell_result(endpoint: str, taskhub: str, client_id: str | None) -> None:
    print("\nWorkers and clients need these two lines, in .env or in their environment:\n")
    for line in dotenv.lines_for({"ENDPOINT": endpoint, "TASKHUB": taskhub}):
        print(line)
    if client_id is not None:
        print(
            f"\nIn Azure, workers with the managed identity need AZURE_CLIENT_ID={client_id} too."
        )
    print(f"\ndashboard  {commands.dashboard_of(endpoint, taskhub)}")
    print("A new role counts after some minutes: until then calls are refused.", flush=True)


def _write(options: argparse.Namespace, values: dict[str, str]) -> int:
    if options.write_env is None:
        return 0
    path = Path(options.write_env)
    if options.dry_run:
        print(f"\nENDPOINT and TASKHUB would be written to {path}")
        return 0
    written = dotenv.write(path, values)
    print(f"\n{path}: {'ENDPOINT and TASKHUB written' if written.changed else 'has them already'}")
    for line in written.commented_out:
        print(f"  now a comment there: {line}")
    for hindrance in _hindrances(path, values):
        print(f"  {hindrance}")
    return 0


def _hindrances(path: Path, values: dict[str, str]) -> list[str]:
    """What else stands in the file or the environment, and does not fit a scheduler in Azure."""
    found = [
        f"{name} in your environment is another and wins: unset {name}"
        for name, value in values.items()
        if os.environ.get(name, value) != value
    ]
    store = os.environ.get("PAYLOAD_STORE") or dotenv.value_in(path, "PAYLOAD_STORE") or "none"
    if store.lower() != "none" and not store.startswith("https://") and ";" not in store:
        found.append(
            f"PAYLOAD_STORE={store} is a directory: workers in Azure do not see it"
            " (docs/azure.md, Large payloads)"
        )
    found += [
        f"{name} is set, for a scheduler of your own: with it nobody signs in to Azure; take it out"
        for name in _OF_ANOTHER_SCHEDULER
        if os.environ.get(name) or dotenv.value_in(path, name)
    ]
    return found


def _tell_allowlist(allowlist: tuple[str, ...]) -> None:
    for entry in allowlist:
        if entry in EVERYBODY:
            print(
                f"Note: {entry} lets every address on the internet connect. Whoever connects still"
                " needs a sign-in and the role; a narrower list keeps the others from trying."
            )
        elif is_private(entry):
            print(
                f"Note: {entry} is a private address, and no caller from the internet has one: your"
                " public address is meant, unless you use a private endpoint."
            )


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = parser_of("azure-up", __doc__)
    parser.add_argument("-n", "--name", required=True, help="the scheduler")
    parser.add_argument("--taskhub", default="default", help="the task hub (default)")
    parser.add_argument("--location", required=True, help="the region, such as westus2")
    parser.add_argument("--sku", default="Consumption", help="Consumption (default) or Dedicated")
    parser.add_argument("--capacity", help="capacity units, with --sku Dedicated (1)")
    parser.add_argument(
        "--ip-allowlist",
        action="append",
        default=[],
        metavar="ADDRESSES",
        help="who may connect: addresses and ranges with commas between them; may be repeated."
        " 0.0.0.0/0 is every address on the internet, and never the default",
    )
    parser.add_argument("--assignee", help="the object id that gets the role in your place")
    parser.add_argument("--identity", help="the managed identity for workers (NAME-worker)")
    parser.add_argument("--no-identity", action="store_true", help="no managed identity")
    parser.add_argument(
        "--write-env",
        nargs="?",
        const=str(_DOTENV),
        metavar="FILE",
        help="write ENDPOINT and TASKHUB into FILE, or into the checkout's .env",
    )
    parser.add_argument("--dry-run", action="store_true", help="show the commands, call nothing")
    return parser.parse_args(arguments)


def _read(options: argparse.Namespace, checks: Checks) -> Wish:
    sku = checks.sku(options.sku)
    scheduler = checks.scheduler(options.name)
    if options.no_identity and options.identity:
        checks.problems.append("--identity and --no-identity contradict each other")
    identity = options.identity or f"{scheduler}-worker"
    return Wish(
        group=checks.group(options.resource_group),
        scheduler=scheduler,
        taskhub=checks.taskhub(options.taskhub),
        settings=Settings(
            location=checks.location(options.location),
            sku=sku,
            capacity=checks.capacity(options.capacity, sku),
            allowlist=checks.allowlist(options.ip_allowlist),
        ),
        identity=None if options.no_identity else _identity(checks, identity, options),
        assignee=checks.assignee(options.assignee),
    )


def _identity(checks: Checks, identity: str, options: argparse.Namespace) -> str:
    # The default follows the scheduler's name, which is told of by itself.
    return checks.identity(identity) if options.identity else identity
