"""What there is of a scheduler in Azure: state, endpoint, task hubs, links, and who has the role.

Changes nothing. Without -n it shows all schedulers of the resource group.

  scripts/azure-status -g orders -n my-scheduler

Exit codes: 1 a step failed, 2 bad usage, 3 there is no such scheduler, 130 interrupted.
"""

import argparse
from typing import Any, Final

from scripts.azure import commands
from scripts.azure.account import Account, prepare
from scripts.azure.cli import Az
from scripts.azure.entry import NOT_THERE, carried_out, parser_of, refused
from scripts.azure.errors import InputError
from scripts.azure.inputs import EVERYBODY, Checks

_AGAIN: Final = "Nothing was changed."
_DRY_SCHEDULER: Final = {"name": "SCHEDULER", "properties": {"endpoint": "https://ENDPOINT"}}


def main(arguments: list[str]) -> int:
    """Runs `scripts/azure-status`; returns the exit code."""
    options = _parse(arguments)
    checks = Checks()
    try:
        checks.group(options.resource_group)
        checks.subscription(options.subscription)
        if options.name is not None:
            checks.scheduler(options.name)
        seconds = checks.seconds(options.timeout)
        checks.finish()
    except InputError as error:
        return refused(error)
    return carried_out(options, seconds, lambda az: _work(az, options), again=_AGAIN)


def _work(az: Az, options: argparse.Namespace) -> int:
    account = prepare(az, install=False)
    group = options.resource_group
    if options.name is None:
        print(f"schedulers of {group}", flush=True)
        found = az.look(commands.list_schedulers(group), dry=[_DRY_SCHEDULER]) or []
    else:
        print(f"scheduler {options.name}", flush=True)
        dry = _DRY_SCHEDULER | {"name": options.name}
        shown = az.look(commands.show_scheduler(group, options.name), dry=dry)
        found = [] if shown is None else [shown]
    reports = [_report(az, account, group, scheduler) for scheduler in found]
    if options.dry_run:
        return 0
    if not reports:
        print(f"\nThere is none in {group}; scripts/azure-up makes one.")
        return NOT_THERE
    print()
    for report in reports:
        print("\n".join(report))
    return 0


def _report(az: Az, account: Account, group: str, scheduler: dict[str, Any]) -> list[str]:
    name = str(scheduler["name"])
    properties = scheduler.get("properties") or {}
    endpoint = str(properties.get("endpoint") or "")
    lines = [
        f"scheduler  {name}, {properties.get('provisioningState', 'state unknown')}",
        f"  SKU         {_sku(properties.get('sku') or {})}",
        f"  location    {scheduler.get('location', 'unknown')}",
        f"  reached by  {_reached_by(properties.get('ipAllowlist') or [])}",
        f"  ENDPOINT    {endpoint or 'none yet'}",
    ]
    hubs = az.look(commands.list_taskhubs(group, name), dry=[{"name": "EACH_TASKHUB"}]) or []
    if not hubs:
        lines.append("  no task hub: scripts/azure-up makes one")
    for hub in hubs:
        scope = commands.scope_of(account.subscription_id, group, name, str(hub["name"]))
        roles = az.look(commands.list_roles(scope), dry=[]) or []
        lines += _hub_report(hub, endpoint, [_holder(role, scope) for role in roles])
    return lines


def _hub_report(hub: dict[str, Any], endpoint: str, holders: list[str]) -> list[str]:
    name = str(hub["name"])
    properties = hub.get("properties") or {}
    dashboard = properties.get("dashboardUrl") or commands.dashboard_of(endpoint, name)
    lines = [
        f"  task hub {name}, {properties.get('provisioningState', 'state unknown')}",
        f"    TASKHUB    {name}",
        f"    dashboard  {dashboard if endpoint else 'none yet'}",
    ]
    if not holders:
        lines.append(f"    nobody has the role {commands.ROLE}: scripts/azure-up gives it")
    return lines + [f"    role       {holder}" for holder in holders]


def _holder(role: dict[str, Any], scope: str) -> str:
    # Identities have no principal name.
    name = role.get("principalName") or role.get("principalId") or "somebody"
    where = str(role.get("scope") or scope)
    inherited = "" if where.lower() == scope.lower() else f", on {where}"
    return f"{name} ({role.get('principalType', 'unknown')}){inherited}"


def _sku(sku: dict[str, Any]) -> str:
    capacity = sku.get("capacity")
    units = f", {capacity} capacity units" if capacity and sku.get("name") == "Dedicated" else ""
    return f"{sku.get('name', 'unknown')}{units}"


def _reached_by(allowlist: list[str]) -> str:
    if not allowlist:
        return "nobody: its allowlist is empty"
    listed = ", ".join(allowlist)
    if EVERYBODY & set(allowlist):
        return f"every address on the internet ({listed}), with a sign-in and the role"
    return listed


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = parser_of("azure-status", __doc__)
    parser.add_argument("-n", "--name", help="the scheduler; else all of the resource group")
    parser.add_argument("--dry-run", action="store_true", help="show the commands, call nothing")
    return parser.parse_args(arguments)
