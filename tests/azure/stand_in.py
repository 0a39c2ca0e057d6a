"""A stand-in for `az`: remembers what was created, records every call, and fails as it is told.

The tests copy this file as `az` into a folder of their own, with `cloud.json` (what exists),
`faults.json` (which calls fail, and how) and `calls.jsonl` (what was called) beside it. It talks as
the Azure CLI and Azure do.
"""

import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).resolve().parent
SUBSCRIPTION: Final = "11111111-0000-0000-0000-000000000001"
PERSON: Final = "22222222-0000-0000-0000-000000000002"
CLIENT: Final = "33333333-0000-0000-0000-000000000003"
PRINCIPAL: Final = "44444444-0000-0000-0000-000000000004"
ENDPOINT: Final = "https://sched-abc123.westus2.durabletask.io"


def options_of(arguments: list[str]) -> dict[str, str]:
    """The options, by their long names."""
    long = {"-g": "--resource-group", "-n": "--name", "-o": "--output"}
    pairs = zip(arguments, [*arguments[1:], ""], strict=True)
    return {long.get(name, name): value for name, value in pairs if name.startswith("-")}


def answer(arguments: list[str], cloud: dict[str, Any]) -> Any:
    """What the cloud says to a command: JSON, a text, or None where there is no such thing."""
    options = options_of(arguments)
    name = options.get("--name", "")
    verb = " ".join(itertools.takewhile(lambda word: not word.startswith("-"), arguments))
    looks: dict[str, Callable[[], Any]] = {
        "version": lambda: {"azure-cli": "2.91.0", "extensions": cloud["extensions"]},
        "account show": lambda: cloud["account"],
        "provider show": lambda: cloud["provider"],
        "ad signed-in-user show": lambda: PERSON,
        "resource list": lambda: cloud["others"],
        "role assignment list": lambda: roles(cloud, options),
    }
    if verb in looks:
        return looks[verb]()
    match verb:
        case "extension add":
            cloud["extensions"][name] = "1.0.0"
        case "provider register":
            cloud["provider"]["registrationState"] = "Registered"
        case "role assignment create":
            assigned = {"principalId": options["--assignee"], "scope": options["--scope"]}
            cloud["roles"].append(assigned | {"principalType": "User"})
        case _:
            return resource(verb, name, options, cloud)
    return ""


def roles(cloud: dict[str, Any], options: dict[str, str]) -> list[dict[str, str]]:
    """The assignments that a listing finds."""
    who = options.get("--assignee")
    return [role for role in cloud["roles"] if who in {None, role["principalId"]}]


def resource(verb: str, name: str, options: dict[str, str], cloud: dict[str, Any]) -> Any:
    """Groups, schedulers, task hubs and identities: one table of what exists for each."""
    *kind, action = verb.split()
    there: dict[str, Any] = cloud[kind[-1]]
    match action:
        case "show":
            found = there.get(name)
            return found["properties"]["endpoint"] if found and "--query" in options else found
        case "list":
            return list(there.values())
        case "create":
            there[name] = made(kind[-1], name, options)
            return there[name]
        case "wait":
            there[name]["properties"]["provisioningState"] = "Succeeded"
        case "delete":
            del there[name]
    return ""


def made(kind: str, name: str, options: dict[str, str]) -> dict[str, Any]:
    """What a new resource looks like."""
    found: dict[str, Any] = {"name": name, "location": options.get("--location")}
    properties: dict[str, Any] = {"provisioningState": "Succeeded"}
    if kind == "scheduler":
        sku = {"name": options["--sku-name"], "capacity": int(options.get("--sku-capacity", 0))}
        allowlist = json.loads(options["--ip-allowlist"])
        properties |= {"endpoint": ENDPOINT, "sku": sku, "ipAllowlist": allowlist}
    if kind == "identity":
        found |= {"clientId": CLIENT, "principalId": PRINCIPAL}
    return found | {"properties": properties}


def fault_for(line: str) -> dict[str, Any] | None:
    """The first fault that is left for a call; it is used up."""
    path = FOLDER / "faults.json"
    faults = json.loads(path.read_text())
    for fault in faults:
        if line.startswith(fault["of"]) and fault["times"] > 0:
            fault["times"] -= 1
            path.write_text(json.dumps(faults))
            assert isinstance(fault, dict)
            return fault
    return None


def main(arguments: list[str]) -> int:
    """Answers one call."""
    with (FOLDER / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps(arguments) + "\n")
    path = FOLDER / "cloud.json"
    cloud = json.loads(path.read_text())
    fault = fault_for(" ".join(arguments))
    if fault is not None and fault.get("hangs"):
        if fault.get("deaf"):
            signal.signal(signal.SIGINT, lambda *_: (FOLDER / "interrupted").touch())
        (FOLDER / "hanging").touch()
        time.sleep(600)
    if fault is not None and fault.get("listens"):
        heard = {"typed": sys.stdin.read(), "environment": dict(os.environ)}
        (FOLDER / "heard.json").write_text(json.dumps(heard))
    if fault is not None:
        sys.stdout.write(fault.get("out", ""))
        sys.stderr.flush()
        # Not all that a program says is text.
        sys.stderr.buffer.write(fault.get("said", "").encode(errors="surrogateescape"))
        return int(fault["code"])
    said = answer(arguments, cloud)
    path.write_text(json.dumps(cloud))
    if said is None:
        sys.stderr.write("ERROR: (ResourceNotFound) The Resource 'x' under 'y' was not found.\n")
        return 3
    sys.stdout.write(said if isinstance(said, str) else json.dumps(said))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
