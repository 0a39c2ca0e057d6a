import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from scripts.azure import commands
from scripts.azure.advice import ADVICE, UNKNOWN, advice_on
from scripts.azure.cli import Az
from scripts.azure.errors import AzureError
from scripts.azure.roles import Grants
from tests.azure.cloud import OF, SCOPE, UP, Cloud
from tests.azure.stand_in import PRINCIPAL

# The first word of a command that fails, what it says, and what a person is told.
FAILURES = [
    ("account show", "ERROR: Please run 'az login' to setup account.", "Sign in: az login"),
    (
        "group show",
        "ERROR: AADSTS700082: The refresh token has expired due to inactivity.",
        "Sign in: az login",
    ),
    (
        "account show",
        "ERROR: (SubscriptionNotFound) The subscription 'x' could not be found.",
        "az account list -o table shows yours",
    ),
    (
        "durabletask scheduler show",
        "ERROR: 'durabletask' is misspelled or not recognized by the system.",
        "az extension add --name durabletask",
    ),
    (
        "extension add",
        "ERROR: No matching extensions for 'durabletask'. Use --debug for more information.",
        "az 2.75 or newer",
    ),
    ("extension add", "ERROR: An error occurred. Pip failed with status code 1.", "HTTPS_PROXY"),
    (
        "durabletask scheduler create",
        "ERROR: unrecognized arguments: --sku-name Consumption",
        "az extension update --name durabletask",
    ),
    (
        "identity create",
        (
            "ERROR: (MissingSubscriptionRegistration) The subscription is not registered to use"
            " namespace 'Microsoft.ManagedIdentity'. See https://aka.ms/rps-not-found"
        ),
        "az provider register --namespace Microsoft.ManagedIdentity --wait",
    ),
    (
        "provider register",
        (
            "ERROR: (AuthorizationFailed) The client 'ada' does not have authorization to perform"
            " action 'Microsoft.DurableTask/register/action' over scope '/subscriptions/1'."
        ),
        (
            "somebody with the role Contributor on the subscription does it once:"
            " az provider register --namespace Microsoft.DurableTask --wait"
        ),
    ),
    (
        "role assignment create",
        (
            "ERROR: (AuthorizationFailed) The client 'ada' with object id '1' does not have"
            " authorization to perform action 'Microsoft.Authorization/roleAssignments/write' over"
            " scope '/subscriptions/1'."
        ),
        "User Access Administrator",
    ),
    (
        "ad signed-in-user show",
        "ERROR: Insufficient privileges to complete the operation.",
        "--assignee",
    ),
    (
        "group create",
        (
            "ERROR: (AuthorizationFailed) The client 'ada' does not have authorization to perform"
            " action 'Microsoft.Resources/subscriptions/resourcegroups/write'."
        ),
        "You need the role Contributor on the resource group",
    ),
    (
        "durabletask scheduler create",
        "ERROR: (RequestDisallowedByPolicy) Resource 'sched' was disallowed by policy.",
        "A policy of your organisation",
    ),
    (
        "durabletask scheduler create",
        "ERROR: (QuotaExceeded) Quota for schedulers in this region has been exceeded.",
        "A quota is used up",
    ),
    (
        "durabletask scheduler create",
        (
            "ERROR: (LocationNotAvailableForResourceType) The provided location 'westus2' is not"
            " available for resource type 'Microsoft.DurableTask/schedulers'."
        ),
        "az provider show --namespace Microsoft.DurableTask --query",
    ),
    (
        "group create",
        (
            "ERROR: (InvalidResourceGroupLocation) Invalid resource group location 'westus2'. The"
            " Resource group already exists in location 'eastus'."
        ),
        "That name exists in another location",
    ),
    (
        "durabletask scheduler create",
        "ERROR: (NameNotAvailable) The name 'sched' is already in use.",
        "choose another with --name",
    ),
    (
        "group create",
        "ERROR: (ResourceGroupBeingDeleted) The resource group 'rg' is in deprovisioning state.",
        "wait until that is done",
    ),
    (
        "durabletask scheduler create",
        "ERROR: (TooManyRequests) The request was throttled.",
        "wait a minute",
    ),
    (
        "group show",
        "ERROR: HTTPSConnectionPool(host='x', port=443): Max retries exceeded with url: /y",
        "Azure cannot be reached",
    ),
    (
        "group show",
        "ERROR: HTTPSConnectionPool: SSLError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]')",
        "REQUESTS_CA_BUNDLE",
    ),
    ("group show", "ERROR: (InternalServerError) Encountered internal server error.", "not you"),
    ("group show", "ERROR: Something that nobody has seen.", UNKNOWN),
]


@pytest.mark.parametrize(("of", "said", "advice"), FAILURES, ids=lambda text: text[:40])
def test_every_failure_says_what_az_said_and_what_to_do(
    cloud: Cloud, of: str, said: str, advice: str
) -> None:
    if of == "extension add":
        cloud.has(extensions={})
    if of == "provider register":
        cloud.has(provider={"registrationState": "NotRegistered"})
    cloud.fails(of, f"WARNING: in preview\n{said}\n")
    ran = cloud.run("azure-up", *UP)
    assert ran.code == 1
    assert said in ran.err
    assert "WARNING" not in ran.err
    assert advice in " ".join(ran.err.split())
    # The failed call is the last one: nothing is built on what failed.
    assert cloud.calls[-1].startswith(f"az {of}")


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("(ReadOnlyDisabledSubscription) The subscription is disabled", "is disabled"),
        ("(ScopeLocked) The scope cannot perform delete operation", "az lock list"),
        ("(CannotDelete) it still contains task hubs", "shows its task hubs"),
        ("(PrincipalNotFound) Principal 1 does not exist", "Run this again"),
    ],
)
def test_failures_of_other_steps_have_advice_too(said: str, advice: str) -> None:
    assert advice in advice_on(said)


def test_no_advice_stands_behind_one_that_hides_it() -> None:
    rare = ("ReadOnlyDisabledSubscription", "ScopeLocked", "CannotDelete", "PrincipalNotFound")
    told = {advice_on(said) for said in (*rare, *(said for _, said, _ in FAILURES))}
    namespaces = ("Microsoft.DurableTask", "Microsoft.ManagedIdentity")
    for _, advice in ADVICE:
        assert any(advice.format(namespace=namespace) in told for namespace in namespaces)


def test_what_was_done_before_a_failure_is_told_and_the_next_run_goes_on(cloud: Cloud) -> None:
    cloud.fails("durabletask taskhub create", "ERROR: (InternalServerError) no\n")
    ran = cloud.run("azure-up", *UP)
    assert ran.code == 1
    assert "Done so far: resource group rg created; scheduler sched created." in ran.err
    assert "The same command goes on from there" in ran.err
    assert "Perhaps done" not in ran.err
    assert cloud.run("azure-up", *UP).code == 0
    assert sum("scheduler create" in call for call in cloud.calls) == 1


def test_a_failure_before_anything_was_done_says_no_more_than_that(cloud: Cloud) -> None:
    cloud.fails("account show", "ERROR: Please run 'az login' to setup account.\n")
    ran = cloud.run("azure-up", *UP)
    assert "Done so far" not in ran.err
    assert "goes on from there" not in ran.err


@pytest.mark.parametrize("out", ["<html>", "[1, 2"])
def test_an_answer_that_is_no_json_is_told(cloud: Cloud, out: str) -> None:
    cloud.fails("group show", "", code=0, out=out)
    ran = cloud.run("azure-up", *UP)
    assert ran.code == 1
    assert f"az answered with something that is no JSON: {out}" in ran.err


@pytest.mark.parametrize("out", ["{}", "[]", "null"])
def test_an_account_without_a_person_is_no_sign_in(cloud: Cloud, out: str) -> None:
    cloud.fails("account show", "", code=0, out=out)
    ran = cloud.run("azure-up", *UP)
    assert ran.code == 1
    assert "az login" in ran.err


def test_an_az_that_cannot_be_run_is_told(cloud: Cloud) -> None:
    (cloud.folder / "az").write_bytes(b"\x7fELF")
    ran = cloud.run("azure-up", *UP)
    assert ran.code == 1
    assert "cannot be run: Exec format error" in ran.err


def test_a_role_that_another_run_gave_meanwhile_is_a_role(cloud: Cloud) -> None:
    cloud.fails("role assignment create", "ERROR: (RoleAssignmentExists) It exists.\n", times=2)
    ran = cloud.run("azure-up", *UP)
    assert ran.code == 0
    assert ran.out.count("has the role already") == 2


def granting(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> tuple[Az, list[float]]:
    """An `az` of this process, and the pauses that it makes."""
    monkeypatch.setenv("PATH", str(cloud.folder), prepend=os.pathsep)
    pauses: list[float] = []
    return Az(pause=pauses.append), pauses


@pytest.mark.parametrize("of", ["role assignment list", "role assignment create"])
def test_an_identity_that_the_directory_does_not_know_yet_is_tried_again(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, of: str
) -> None:
    az, pauses = granting(cloud, monkeypatch)
    said = f"ERROR: Cannot find user or service principal in graph database for '{PRINCIPAL}'.\n"
    cloud.fails(of, said, times=3)
    Grants(az, SCOPE).give("workers", PRINCIPAL)
    assert pauses == [5, 10, 15]
    assert az.done == [f"workers given the role {commands.ROLE}"]


def test_an_identity_that_the_directory_never_knows_ends_within_some_minutes(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    az, pauses = granting(cloud, monkeypatch)
    cloud.fails("role assignment create", "ERROR: (PrincipalNotFound) no\n", times=99)
    with pytest.raises(AzureError, match="a new identity takes minutes"):
        Grants(az, SCOPE).give("workers", PRINCIPAL)
    assert 60 <= sum(pauses) <= 300


def test_no_other_failure_is_tried_again(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    az, pauses = granting(cloud, monkeypatch)
    cloud.fails("role assignment create", "ERROR: (AuthorizationFailed) no\n")
    with pytest.raises(AzureError):
        Grants(az, SCOPE).give("workers", PRINCIPAL)
    assert pauses == []


def test_a_step_that_takes_too_long_is_ended_and_said_to_go_on_in_azure(cloud: Cloud) -> None:
    cloud.fails("durabletask scheduler create", "", hangs=True)
    ran = cloud.run("azure-up", *UP, "--timeout", "1")
    assert ran.code == 1
    assert "az did not end within 1 s. What Azure has accepted goes on there" in ran.err
    assert "Perhaps done, Azure may still be at it: scheduler sched created." in ran.err
    assert "Done so far: resource group rg created." in ran.err


def wait_for(path: Path, process: "subprocess.Popen[str]") -> None:
    """Waits until the stand-in hangs."""
    deadline = time.monotonic() + 30
    while not path.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_in_the_middle_says_what_exists_and_how_to_go_on(
    cloud: Cloud, number: signal.Signals
) -> None:
    cloud.fails("durabletask scheduler create", "", hangs=True)
    process = cloud.start("azure-up", *UP)
    wait_for(cloud.folder / "hanging", process)
    os.killpg(process.pid, number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Interrupted while: scheduler sched created." in err
    assert "Done so far: resource group rg created." in err
    assert "scripts/azure-status shows what exists" in err
    assert "Traceback" not in err.split("Interrupted")[1]
    assert cloud.run("azure-up", *UP).code == 0


def test_ctrl_c_that_reaches_only_the_script_leaves_no_az_behind(cloud: Cloud) -> None:
    cloud.fails("durabletask scheduler show", "", hangs=True)
    process = cloud.start("azure-status", *OF)
    wait_for(cloud.folder / "hanging", process)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.strip() == "Interrupted."
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
