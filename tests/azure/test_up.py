import re
import shlex

from services.shared.connection import read_connection
from services.shared.environment import Environment
from tests.azure.cloud import SCOPE, UP, Cloud, run_without_az
from tests.azure.stand_in import CLIENT, ENDPOINT, PERSON, PRINCIPAL

ROLE = "--role 'Durable Task Data Contributor'"
CREATED = [
    "az group create -n rg --location westus2 -o json",
    (
        "az durabletask scheduler create -g rg -n sched --location westus2"
        " --ip-allowlist '[\"203.0.113.7\"]' --sku-name Consumption"
    ),
    "az durabletask taskhub create -g rg --scheduler-name sched --name default",
    f"az role assignment create --assignee {PERSON} {ROLE} --scope {SCOPE}",
    "az identity create -g rg -n sched-worker --location westus2 -o json",
    f"az role assignment create --assignee {PRINCIPAL} {ROLE} --scope {SCOPE}",
]


def test_from_nothing_to_scheduler_task_hub_identity_and_both_roles(cloud: Cloud) -> None:
    ran = cloud.run("azure-up", *UP)
    assert ran.code == 0, ran.err
    assert cloud.changes == CREATED
    assert f"\nENDPOINT={ENDPOINT}\nTASKHUB=default\n" in ran.out
    assert f"AZURE_CLIENT_ID={CLIENT}" in ran.out
    assert f"https://dashboard.durabletask.io/?endpoint={ENDPOINT}&taskhub=default" in ran.out


def test_what_it_prints_is_what_a_worker_can_connect_with(cloud: Cloud) -> None:
    printed = cloud.run("azure-up", *UP, "--taskhub", "orders-1").out
    lines = dict(re.findall(r"^(ENDPOINT|TASKHUB)=(.*)$", printed, re.MULTILINE))
    environment = Environment(lines)
    connection = read_connection(environment)
    environment.check()
    assert (connection.endpoint, connection.taskhub) == (ENDPOINT, "orders-1")
    assert connection.secure


def test_every_call_is_shown_as_it_is_made(cloud: Cloud) -> None:
    ran = cloud.run("azure-up", *UP)
    shown = re.findall(r"^  \$ (az .*)$", ran.out, re.MULTILINE)
    assert shown == cloud.calls


def test_a_second_run_looks_and_changes_nothing(cloud: Cloud) -> None:
    first = cloud.run("azure-up", *UP)
    before = cloud.state
    second = cloud.run("azure-up", *UP)
    assert second.code == 0
    assert cloud.changes == CREATED
    assert cloud.state == before
    assert second.out.count("exists") == 4  # group, scheduler, task hub, identity
    assert second.out.count("has the role already") == 2
    assert "left as it is" not in second.out
    assert first.out.split("Workers and clients")[1] == second.out.split("Workers and clients")[1]


def test_a_dedicated_scheduler_has_a_capacity(cloud: Cloud) -> None:
    cloud.run("azure-up", *UP[:-2], "--ip-allowlist", "0.0.0.0/0", "--sku", "dedicated")
    assert (
        "az durabletask scheduler create -g rg -n sched --location westus2 --ip-allowlist"
        " '[\"0.0.0.0/0\"]' --sku-name Dedicated --sku-capacity 1"
    ) in cloud.calls


def test_what_exists_with_other_settings_is_said_and_left_alone(cloud: Cloud) -> None:
    cloud.run("azure-up", *UP)
    other = ("--ip-allowlist", "203.0.113.7,198.51.100.0/24", "--sku", "Dedicated")
    ran = cloud.run("azure-up", "-g", "rg", "-n", "sched", "--location", "northeurope", *other)
    assert ran.code == 0
    assert cloud.changes == CREATED
    said = " ".join(ran.out.split())
    assert "left as it is: its location: westus2, asked for: northeurope" in said
    assert "its SKU: Consumption, asked for: Dedicated" in said
    assert "203.0.113.7, asked for: 198.51.100.0/24, 203.0.113.7" in said
    assert "in westus2; what is in it may be elsewhere" in said


def test_another_capacity_is_said(cloud: Cloud) -> None:
    cloud.run("azure-up", *UP, "--sku", "Dedicated", "--capacity", "3")
    assert "its capacity: 3, asked for: 1" in cloud.run("azure-up", *UP, "--sku", "Dedicated").out


def test_a_scheduler_that_is_being_made_is_waited_for(cloud: Cloud) -> None:
    cloud.run("azure-up", *UP)
    state = cloud.state
    for kind, name in (("scheduler", "sched"), ("taskhub", "default")):
        state[kind][name]["properties"]["provisioningState"] = "Creating"
    cloud.has(**state)
    ran = cloud.run("azure-up", *UP)
    assert ran.code == 0
    assert "az durabletask scheduler wait -g rg -n sched --created" in cloud.calls
    assert (
        "az durabletask taskhub wait -g rg --scheduler-name sched --name default --created"
    ) in cloud.calls


def test_a_scheduler_that_failed_is_not_built_upon(cloud: Cloud) -> None:
    cloud.run("azure-up", *UP)
    state = cloud.state
    state["scheduler"]["sched"]["properties"]["provisioningState"] = "Failed"
    cloud.has(**state)
    ran = cloud.run("azure-up", *UP)
    assert ran.code == 1
    assert "scheduler sched exists and is Failed: delete it (scripts/azure-down)" in ran.err


def test_a_scheduler_without_an_endpoint_is_told(cloud: Cloud) -> None:
    cloud.run("azure-up", *UP)
    state = cloud.state
    state["scheduler"]["sched"]["properties"]["endpoint"] = ""
    cloud.has(**state)
    ran = cloud.run("azure-up", *UP)
    assert ran.code == 1
    assert "has no endpoint yet" in ran.err


def test_the_extension_and_the_provider_are_there_before_they_are_needed(cloud: Cloud) -> None:
    provider = cloud.state["provider"] | {"registrationState": "NotRegistered"}
    cloud.has(extensions={}, provider=provider)
    assert cloud.run("azure-up", *UP).code == 0
    assert cloud.changes == [
        "az extension add --name durabletask",
        "az provider register --namespace Microsoft.DurableTask --wait",
        *CREATED,
    ]


def test_a_region_without_the_service_is_refused_before_anything_is_made(cloud: Cloud) -> None:
    options = ("-g", "rg", "-n", "sched", "--location", "moon", "--ip-allowlist", "203.0.113.7")
    ran = cloud.run("azure-up", *options)
    assert ran.code == 1
    assert "not sold in moon; its regions are: northeurope, westus2." in ran.err
    assert cloud.changes == []


def test_a_role_that_is_inherited_is_enough(cloud: Cloud) -> None:
    inherited = {"principalId": PERSON, "scope": "/subscriptions/x"}
    cloud.has(roles=[inherited])
    ran = cloud.run("azure-up", *UP, "--no-identity")
    assert "has the role already, on /subscriptions/x" in ran.out
    assert not any("role assignment create" in call for call in cloud.calls)


def test_without_an_identity_none_is_made(cloud: Cloud) -> None:
    ran = cloud.run("azure-up", *UP, "--no-identity")
    assert ran.code == 0
    assert cloud.changes == CREATED[:4]
    assert "AZURE_CLIENT_ID" not in ran.out


def test_an_identity_and_an_assignee_of_ones_own(cloud: Cloud) -> None:
    person = "55555555-0000-0000-0000-000000000005"
    cloud.run("azure-up", *UP, "--identity", "crew", "--assignee", person)
    assert f"az role assignment create --assignee {person} {ROLE} --scope {SCOPE}" in cloud.calls
    assert "az identity create -g rg -n crew --location westus2 -o json" in cloud.calls
    assert not any("signed-in-user" in call for call in cloud.calls)


def test_a_service_principal_gets_the_role_by_its_application_id(cloud: Cloud) -> None:
    application = "66666666-0000-0000-0000-000000000006"
    user = {"name": application, "type": "servicePrincipal"}
    cloud.has(account=cloud.state["account"] | {"user": user})
    assert cloud.run("azure-up", *UP, "--no-identity").code == 0
    assert cloud.changes[-1].startswith(f"az role assignment create --assignee {application} ")


def test_a_managed_identity_that_is_signed_in_must_be_named(cloud: Cloud) -> None:
    user = {"name": "systemAssignedIdentity", "type": "servicePrincipal"}
    cloud.has(account=cloud.state["account"] | {"user": user | {"type": "managedIdentity"}})
    ran = cloud.run("azure-up", *UP)
    assert ran.code == 1
    assert "pass it with --assignee" in ran.err


def test_another_subscription_is_said_to_every_command_that_has_one(cloud: Cloud) -> None:
    assert cloud.run("azure-up", *UP, "--subscription", "My Orders").code == 0
    for call in cloud.calls:
        has = call.endswith("--subscription 'My Orders'")
        assert has != (shlex.split(call)[1] in {"version", "ad", "extension"})


def test_a_dry_run_shows_every_command_and_calls_nothing(cloud: Cloud) -> None:
    ran = cloud.run("azure-up", *UP, "--dry-run", "--write-env", "env")
    assert ran.code == 0
    assert cloud.calls == []
    assert not (cloud.folder / "env").exists()
    shown = re.findall(r"^  \$ (az .*)$", ran.out, re.MULTILINE)
    wet = cloud.run("azure-up", *UP)
    words = ("extension add", "provider register")
    called = re.findall(r"^  \$ (az .*)$", wet.out, re.MULTILINE)
    named = [
        call.replace(PERSON, "YOUR_ID").replace(PRINCIPAL, "IDENTITY_ID").replace(
            SCOPE.split("/")[2], "SUBSCRIPTION_ID"
        )
        for call in called
    ]  # fmt: skip
    assert [call for call in shown if not any(word in call for word in words)] == named


def test_a_dry_run_needs_no_az() -> None:
    ran = run_without_az("azure-up", *UP, "--dry-run")
    assert ran.code == 0
    assert "az durabletask scheduler create" in ran.out


def test_without_az_it_says_how_to_get_it() -> None:
    ran = run_without_az("azure-up", *UP)
    assert ran.code == 1
    assert ran.err.strip().startswith("There is no command az: install the Azure CLI")
