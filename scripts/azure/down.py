"""Deletes a scheduler in Azure: its task hubs first, then the scheduler itself.

Nothing is deleted before its name was typed, or said with --yes NAME. With --taskhub, that task hub
goes and nothing else. The managed identity and the resource group stay unless they are named too.

  scripts/azure-down -g orders -n my-scheduler

Exit codes: 1 a step failed, 2 bad usage or the name was not typed, 3 there is no such thing, 130
interrupted.
"""

import argparse
import sys
from typing import Any

from scripts.azure import commands
from scripts.azure.account import prepare
from scripts.azure.cli import Az
from scripts.azure.entry import BAD_USAGE, NOT_THERE, carried_out, parser_of, refused
from scripts.azure.errors import AzureError, InputError
from scripts.azure.inputs import Checks

_AGAIN = "The same command goes on from there; scripts/azure-status shows what is left."


def main(arguments: list[str]) -> int:
    """Runs `scripts/azure-down`; returns the exit code."""
    options = _parse(arguments)
    checks = Checks()
    try:
        _check(options, checks)
        seconds = checks.seconds(options.timeout)
        checks.finish()
    except InputError as error:
        return refused(error)
    return carried_out(options, seconds, lambda az: _work(az, options), again=_AGAIN)


def _work(az: Az, options: argparse.Namespace) -> int:
    prepare(az, install=False)
    group, scheduler = options.resource_group, options.name
    print(f"scheduler {scheduler}", flush=True)
    there = az.look(commands.show_scheduler(group, scheduler), dry={}) is not None
    hubs = _hubs_that_go(az, options) if there else []
    going = hubs if options.taskhub else [scheduler] * there
    if not going:
        az.tell("is not there")
        if not (options.identity or options.delete_resource_group):
            return NOT_THERE
    if not options.dry_run:
        _tell_loss(options, hubs, with_scheduler=there and not options.taskhub)
        if not _agreed(options):
            print("Nothing was deleted.", file=sys.stderr)
            return BAD_USAGE
    for hub in hubs:
        az.change(f"task hub {hub} deleted", commands.delete_taskhub(group, scheduler, hub))
    if there and not options.taskhub:
        az.change(f"scheduler {scheduler} deleted", commands.delete_scheduler(group, scheduler))
    _delete_the_rest(az, options)
    if not options.dry_run:
        print(f"\n{'; '.join(az.done) or 'Nothing was there to delete'}.")
        print("Back on this machine: take ENDPOINT and TASKHUB out of .env and the environment.")
    return 0


def _hubs_that_go(az: Az, options: argparse.Namespace) -> list[str]:
    """The task hub that is named, if it exists, or all."""
    dry = [{"name": options.taskhub or "EACH_TASKHUB"}]
    listed = az.look(commands.list_taskhubs(options.resource_group, options.name), dry=dry) or []
    hubs = [str(hub["name"]) for hub in listed]
    if options.taskhub is None:
        return hubs
    return [hub for hub in hubs if hub.lower() == options.taskhub.lower()]


def _tell_loss(options: argparse.Namespace, hubs: list[str], *, with_scheduler: bool) -> None:
    print("\nDeleted for good:")
    for hub in hubs:
        print(f"  task hub {hub}, with all its orchestrations, entities and schedules")
    if with_scheduler:
        print(f"  scheduler {options.name}")
    if options.identity:
        print(f"  managed identity {options.identity}")
    if options.delete_resource_group:
        print(f"  resource group {options.resource_group}, if nothing else is in it")


def _agreed(options: argparse.Namespace) -> bool:
    """Whether a person typed the name of what goes; no terminal, no agreement."""
    kind = "task hub" if options.taskhub else "scheduler"
    name = options.taskhub or options.name
    if options.yes is not None:
        return True  # checked with the other options
    if not sys.stdin.isatty():
        print(f"There is no terminal to ask on: --yes {name} says it.", file=sys.stderr)
        return False
    try:
        typed = input(f"\nType the name of the {kind} to delete it ({name}): ").strip()
    except EOFError:
        return False
    return bool(typed == name)


def _delete_the_rest(az: Az, options: argparse.Namespace) -> None:
    if options.identity:
        _delete_identity(az, options.resource_group, options.identity)
    if options.delete_resource_group:
        _delete_group(az, options.resource_group)


def _delete_identity(az: Az, group: str, identity: str) -> None:
    print(f"managed identity {identity}", flush=True)
    if az.look(commands.show_identity(group, identity), dry={}) is None:
        az.tell("is not there")
        return
    what = f"managed identity {identity} deleted"
    az.change(what, commands.delete_identity(group, identity))


def _delete_group(az: Az, group: str) -> None:
    print(f"resource group {group}", flush=True)
    if az.look(commands.show_group(group), dry={}) is None:
        az.tell("is not there")
        return
    left: list[dict[str, Any]] = az.look(commands.list_resources(group), dry=[]) or []
    if left:
        names = ", ".join(f"{one.get('name')} ({one.get('type')})" for one in left)
        raise AzureError(
            f"The resource group {group} is kept, as there is more in it: {names}."
            f" If all of that may go: az group delete -n {group}."
        )
    az.change(f"resource group {group} deleted", commands.delete_group(group))


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = parser_of("azure-down", __doc__)
    parser.add_argument("-n", "--name", required=True, help="the scheduler")
    parser.add_argument("--taskhub", help="delete this task hub and nothing else")
    parser.add_argument("--identity", metavar="NAME", help="delete this managed identity too")
    parser.add_argument(
        "--delete-resource-group",
        metavar="NAME",
        help="delete the resource group too, if it is empty then; NAME is the one of -g again",
    )
    parser.add_argument(
        "--yes",
        metavar="NAME",
        help="the name that would be typed: the scheduler's, or the task hub's with --taskhub",
    )
    parser.add_argument("--dry-run", action="store_true", help="show the commands, call nothing")
    return parser.parse_args(arguments)


def _check(options: argparse.Namespace, checks: Checks) -> None:
    checks.group(options.resource_group)
    checks.scheduler(options.name)
    checks.subscription(options.subscription)
    if options.taskhub is not None:
        checks.taskhub(options.taskhub)
    if options.identity is not None:
        checks.identity(options.identity)
    again = options.delete_resource_group
    if again is not None and again != options.resource_group:
        checks.problems.append(
            f"--delete-resource-group {again!r}: it must be the name that -g gives,"
            f" {options.resource_group}"
        )
    if options.taskhub is not None and (again is not None or options.identity is not None):
        checks.problems.append("--taskhub deletes one task hub and nothing else")
    name = options.taskhub or options.name
    if options.yes is not None and options.yes != name:
        checks.problems.append(f"--yes {options.yes!r}: it must be the name of what goes, {name}")
