import sys

import pexpect
import pytest

from scripts.local_stack import ROOT
from tests.azure.cloud import OF, Cloud

HUBS = [
    "az durabletask taskhub delete -g rg --scheduler-name sched --name default --yes",
    "az durabletask taskhub delete -g rg --scheduler-name sched --name second --yes",
]
SCHEDULER = "az durabletask scheduler delete -g rg -n sched --yes"
IDENTITY = "az identity delete -g rg -n sched-worker"
GROUP = "az group delete -n rg --yes"


@pytest.fixture
def made(cloud: Cloud) -> Cloud:
    """A cloud with a scheduler of two task hubs in it."""
    named = {name: {"name": name} for name in ("rg", "sched", "default", "second", "sched-worker")}
    cloud.has(
        group={"rg": named["rg"]},
        scheduler={"sched": named["sched"]},
        taskhub={name: named[name] for name in ("default", "second")},
        identity={"sched-worker": named["sched-worker"]},
    )
    return cloud


def deletions(cloud: Cloud) -> list[str]:
    return [call for call in cloud.calls if "delete" in call.split()]


def test_task_hubs_go_before_their_scheduler_and_nothing_else_goes(made: Cloud) -> None:
    ran = made.run("azure-down", *OF, "--yes", "sched")
    assert ran.code == 0, ran.err
    assert deletions(made) == [*HUBS, SCHEDULER]
    assert list(made.state["group"]) == ["rg"]
    assert list(made.state["identity"]) == ["sched-worker"]
    assert "task hub default deleted; task hub second deleted; scheduler sched deleted." in ran.out
    assert "take ENDPOINT and TASKHUB out of .env" in ran.out


def test_without_a_terminal_nothing_is_deleted(made: Cloud) -> None:
    ran = made.run("azure-down", *OF)
    assert ran.code == 2
    assert "--yes sched says it" in ran.err
    assert "Nothing was deleted." in ran.err
    assert deletions(made) == []


@pytest.mark.parametrize("name", ["Sched", "default", "", "yes"])
def test_another_name_than_the_schedulers_deletes_nothing(made: Cloud, name: str) -> None:
    before = len(made.calls)
    ran = made.run("azure-down", *OF, "--yes", name)
    assert ran.code == 2
    assert "it must be the name of what goes, sched" in ran.err
    assert len(made.calls) == before


@pytest.mark.parametrize(
    ("typed", "code"),
    [("sched", 0), (" sched ", 0), ("y", 2), ("yes", 2), ("", 2), ("\x04", 2), ("\x03", 130)],
)
def test_on_a_terminal_the_name_must_be_typed(made: Cloud, typed: str, code: int) -> None:
    child = pexpect.spawn(
        str(ROOT / "scripts" / "azure-down"),
        list(OF),
        cwd=str(made.folder),
        env=made.environment(),
        encoding="utf-8",
        timeout=60,
    )
    child.expect_exact("task hub second, with all its orchestrations")
    child.expect_exact("Type the name of the scheduler to delete it (sched):")
    # Ctrl-D and Ctrl-C are no lines.
    child.send(typed if typed in {"\x03", "\x04"} else f"{typed}\n")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == code
    assert deletions(made) == ([] if code else [*HUBS, SCHEDULER])


@pytest.mark.parametrize(("typed", "code"), [("second", 0), ("sched", 2), ("default", 2)])
def test_on_a_terminal_a_task_hub_goes_by_its_own_name(made: Cloud, typed: str, code: int) -> None:
    child = pexpect.spawn(
        str(ROOT / "scripts" / "azure-down"),
        [*OF, "--taskhub", "second"],
        cwd=str(made.folder),
        env=made.environment(),
        encoding="utf-8",
        timeout=60,
    )
    child.expect_exact("Type the name of the task hub to delete it (second):")
    child.send(f"{typed}\n")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == code
    assert deletions(made) == ([] if code else [HUBS[1]])


def test_one_task_hub_goes_alone(made: Cloud) -> None:
    ran = made.run("azure-down", *OF, "--taskhub", "second", "--yes", "second")
    assert ran.code == 0
    assert deletions(made) == [HUBS[1]]
    assert list(made.state["scheduler"]) == ["sched"]


def test_the_schedulers_name_does_not_delete_a_task_hub(made: Cloud) -> None:
    assert made.run("azure-down", *OF, "--taskhub", "second", "--yes", "sched").code == 2
    assert deletions(made) == []


def test_identity_and_resource_group_go_when_they_are_named(made: Cloud) -> None:
    more = ("--identity", "sched-worker", "--delete-resource-group", "rg")
    ran = made.run("azure-down", *OF, *more, "--yes", "sched")
    assert ran.code == 0, ran.err
    assert deletions(made) == [*HUBS, SCHEDULER, IDENTITY, GROUP]
    assert "managed identity sched-worker\n" in ran.out


def test_a_resource_group_with_more_in_it_is_kept(made: Cloud) -> None:
    made.has(others=[{"name": "books", "type": "Microsoft.Storage/storageAccounts"}])
    ran = made.run("azure-down", *OF, "--delete-resource-group", "rg", "--yes", "sched")
    assert ran.code == 1
    assert deletions(made) == [*HUBS, SCHEDULER]
    assert "more in it: books (Microsoft.Storage/storageAccounts)" in ran.err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--delete-resource-group", "other"), "it must be the name that -g gives, rg"),
        (("--taskhub", "second", "--identity", "abc"), "one task hub and nothing else"),
        (("--taskhub", "second", "--delete-resource-group", "rg"), "one task hub and nothing else"),
        (("--taskhub", "a b"), "--taskhub 'a b'"),
        (("--identity", "a b"), "--identity 'a b'"),
    ],
)
def test_what_contradicts_itself_is_refused_before_anything_is_called(
    cloud: Cloud, more: tuple[str, ...], said: str
) -> None:
    ran = cloud.run("azure-down", *OF, *more)
    assert ran.code == 2
    assert said in ran.err
    assert cloud.calls == []


@pytest.mark.parametrize("more", [(), ("--taskhub", "default")])
def test_what_is_not_there_is_said(cloud: Cloud, more: tuple[str, ...]) -> None:
    ran = cloud.run("azure-down", *OF, *more)
    assert ran.code == 3
    assert "is not there" in ran.out
    assert deletions(cloud) == []


def test_a_run_that_failed_in_the_middle_goes_on_from_there(made: Cloud) -> None:
    made.fails("durabletask scheduler delete", "ERROR: (InternalServerError) no\n")
    more = ("--identity", "sched-worker", "--yes", "sched")
    failed = made.run("azure-down", *OF, *more)
    assert failed.code == 1
    assert "Done so far: task hub default deleted; task hub second deleted." in failed.err
    assert list(made.state["identity"]) == ["sched-worker"]
    assert made.run("azure-down", *OF, *more).code == 0
    assert deletions(made) == [*HUBS, SCHEDULER, SCHEDULER, IDENTITY]
    # The scheduler has gone: what is named beside it still goes, or is said to be gone.
    last = made.run("azure-down", *OF, *more)
    assert last.code == 0
    assert "Nothing was there to delete." in last.out


def test_without_the_extension_nothing_is_installed_to_delete(made: Cloud) -> None:
    made.has(extensions={})
    ran = made.run("azure-down", *OF, "--yes", "sched")
    assert ran.code == 1
    assert "az extension add --name durabletask" in ran.err
    assert not any("extension add" in call for call in made.calls)


def test_a_dry_run_shows_the_order_and_asks_nothing(cloud: Cloud) -> None:
    more = ("--identity", "sched-worker", "--delete-resource-group", "rg", "--dry-run")
    ran = cloud.run("azure-down", *OF, *more)
    assert ran.code == 0
    shown = [line[4:] for line in ran.out.splitlines() if "delete" in line.split()]
    hub = HUBS[0].replace("default", "EACH_TASKHUB")
    assert shown == [hub, SCHEDULER, IDENTITY, GROUP]
    assert cloud.calls == []


def test_the_folder_of_scripts_is_a_command_too(cloud: Cloud) -> None:
    ran = cloud.run("azure-down", *OF, "--dry-run")
    for arguments in ([str(ROOT / "scripts" / "azure")], ["-m", "scripts.azure"]):
        command = [sys.executable, *arguments, "down", *OF, "--dry-run"]
        assert cloud.run_command(command).out == ran.out
    nonsense = cloud.run_command([sys.executable, "-m", "scripts.azure", "sideways"])
    assert nonsense.code == 2
    assert nonsense.err.startswith("usage: scripts/azure-up|azure-down|azure-status")
