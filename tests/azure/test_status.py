import pytest

from tests.azure.cloud import OF, SCOPE, UP, Cloud
from tests.azure.stand_in import ENDPOINT, PERSON, PRINCIPAL


def test_it_shows_what_exists_with_links_and_who_has_the_role(cloud: Cloud) -> None:
    cloud.run("azure-up", *UP)
    cloud.run("azure-up", *UP, "--taskhub", "second", "--no-identity")
    before = cloud.changes
    ran = cloud.run("azure-status", *OF)
    assert ran.code == 0
    report = ran.out.split("\n\n", 1)[1]
    assert report == (
        "scheduler  sched, Succeeded\n"
        "  SKU         Consumption\n"
        "  location    westus2\n"
        "  reached by  203.0.113.7\n"
        f"  ENDPOINT    {ENDPOINT}\n"
        "  task hub default, Succeeded\n"
        "    TASKHUB    default\n"
        f"    dashboard  https://dashboard.durabletask.io/?endpoint={ENDPOINT}&taskhub=default\n"
        f"    role       {PERSON} (User)\n"
        f"    role       {PRINCIPAL} (User)\n"
        "  task hub second, Succeeded\n"
        "    TASKHUB    second\n"
        f"    dashboard  https://dashboard.durabletask.io/?endpoint={ENDPOINT}&taskhub=second\n"
        f"    role       {PERSON} (User), on {SCOPE}\n"
        f"    role       {PRINCIPAL} (User), on {SCOPE}\n"
    )
    assert cloud.changes == before


def test_without_a_name_it_shows_all_schedulers_of_the_group(cloud: Cloud) -> None:
    cloud.run("azure-up", *UP)
    assert "scheduler  sched, Succeeded" in cloud.run("azure-status", "-g", "rg").out
    assert "az durabletask scheduler list -g rg -o json" in cloud.calls


@pytest.mark.parametrize("arguments", [OF, ("-g", "rg")])
def test_nothing_there_has_an_exit_code_of_its_own(
    cloud: Cloud, arguments: tuple[str, ...]
) -> None:
    ran = cloud.run("azure-status", *arguments)
    assert ran.code == 3
    assert "There is none in rg; scripts/azure-up makes one." in ran.out


def test_what_is_unusual_is_said(cloud: Cloud) -> None:
    cloud.run("azure-up", *UP)
    state = cloud.state
    properties = state["scheduler"]["sched"]["properties"]
    properties |= {"sku": {"name": "Dedicated", "capacity": 3}, "ipAllowlist": []}
    state["taskhub"]["default"]["properties"]["dashboardUrl"] = "https://dashboard.example/x"
    roles = [{"principalId": "1", "principalType": "Group", "scope": "/subscriptions/1"}]
    cloud.has(**state | {"roles": roles})
    out = cloud.run("azure-status", *OF).out
    assert "SKU         Dedicated, 3 capacity units" in out
    assert "reached by  nobody: its allowlist is empty" in out
    assert "dashboard  https://dashboard.example/x" in out
    assert "role       1 (Group), on /subscriptions/1" in out


def test_an_open_scheduler_without_task_hub_or_role_is_said(cloud: Cloud) -> None:
    cloud.run("azure-up", *UP[:-1], "0.0.0.0/0")
    cloud.has(roles=[])
    out = cloud.run("azure-status", *OF).out
    assert "every address on the internet (0.0.0.0/0), with a sign-in and the role" in out
    assert "nobody has the role Durable Task Data Contributor" in out
    cloud.has(taskhub={})
    assert "no task hub: scripts/azure-up makes one" in cloud.run("azure-status", *OF).out


def test_it_fails_as_the_others_do(cloud: Cloud) -> None:
    cloud.fails("durabletask scheduler show", "ERROR: (AuthorizationFailed) no\n")
    ran = cloud.run("azure-status", *OF)
    assert ran.code == 1
    assert "You need the role Contributor" in ran.err


def test_a_dry_run_calls_nothing(cloud: Cloud) -> None:
    ran = cloud.run("azure-status", *OF, "--dry-run")
    assert ran.code == 0
    assert "az durabletask taskhub list -g rg --scheduler-name sched -o json" in ran.out
    assert cloud.calls == []


def test_every_bad_option_is_told_at_once_and_nothing_is_called(cloud: Cloud) -> None:
    bad = ("-g", "rg.", "-n", "s", "--subscription=-x", "--timeout", "0")
    ran = cloud.run("azure-status", *bad)
    assert (ran.code, ran.out) == (2, "")
    assert [line.split(":")[0] for line in ran.err.splitlines()] == [
        "--resource-group 'rg.'",
        "--subscription '-x'",
        "--name 's'",
        "--timeout '0'",
    ]
    assert cloud.calls == []
