import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.azure.errors import InputError
from scripts.azure.inputs import Checks, is_private
from services.shared.connection import read_connection
from services.shared.environment import Environment
from tests.azure.cloud import OF, UP, Cloud


def test_every_bad_option_is_told_at_once_and_nothing_is_called(cloud: Cloud) -> None:
    bad = (
        "-g", "rg.", "-n", "s", "--location", "West US 2", "--sku", "Premium", "--capacity", "2",
        "--taskhub", "my_hub", "--identity", "x", "--no-identity", "--assignee", "ada",
        "--timeout", "0", "--ip-allowlist", "10.0.0.1/8,::g",
    )  # fmt: skip
    ran = cloud.run("azure-up", *bad)
    assert (ran.code, ran.out) == (2, "")
    assert [line.split(":")[0] for line in ran.err.splitlines()] == [
        "--sku 'Premium'",
        "--name 's'",
        "--identity and --no-identity contradict each other",
        "--resource-group 'rg.'",
        "--taskhub 'my_hub'",
        "--location 'West US 2'",
        "--capacity '2'",
        "--ip-allowlist '10.0.0.1/8'",
        "--ip-allowlist '",
        "--assignee 'ada'",
        "--timeout '0'",
    ]
    assert "did you mean westus2?" in ran.err
    assert "did you mean 10.0.0.0/8?" in ran.err
    assert cloud.calls == []


@pytest.mark.parametrize("script", ["azure-up", "azure-down", "azure-status"])
def test_what_is_missing_or_unknown_is_bad_usage(cloud: Cloud, script: str) -> None:
    for arguments in ((), (*OF, "--nonsense")):
        ran = cloud.run(script, *arguments)
        assert ran.code == 2
        assert f"usage: scripts/{script}" in ran.err
    assert cloud.calls == []


@pytest.mark.parametrize("script", ["azure-up", "azure-down", "azure-status"])
def test_help_says_what_it_does_and_its_exit_codes(cloud: Cloud, script: str) -> None:
    ran = cloud.run(script, "--help")
    assert ran.code == 0
    assert "Exit codes:" in ran.out
    assert f"scripts/{script} -g " in ran.out


def test_who_may_connect_has_no_default(cloud: Cloud) -> None:
    ran = cloud.run("azure-up", *UP[:-2])
    assert ran.code == 2
    assert "0.0.0.0/0 for every address on the internet" in ran.err
    assert cloud.calls == []


@pytest.mark.parametrize("everybody", ["0.0.0.0/0", "::/0"])
def test_an_open_door_is_said_to_be_one(cloud: Cloud, everybody: str) -> None:
    ran = cloud.run("azure-up", *UP[:-1], everybody, "--dry-run")
    assert f"Note: {everybody} lets every address on the internet connect." in ran.out


def test_a_private_address_is_said_to_lead_nowhere(cloud: Cloud) -> None:
    ran = cloud.run("azure-up", *UP[:-1], "192.168.1.7", "--dry-run")
    assert "Note: 192.168.1.7 is a private address" in ran.out


@pytest.mark.parametrize(
    ("entry", "private"),
    [
        ("10.1.2.3", True),
        ("172.31.0.0/24", True),
        ("100.64.0.1", True),
        ("fd00::/8", True),
        ("203.0.113.7", False),
        ("8.8.8.0/24", False),
        ("2001:db8::1", False),
        ("0.0.0.0/0", False),
        ("::/0", False),
    ],
)
def test_private_ranges_are_known(entry: str, *, private: bool) -> None:
    assert is_private(entry) is private


def test_several_addresses_are_kept_in_order_and_once() -> None:
    checks = Checks()
    given_ = ["203.0.113.7, 2001:db8::/32", "203.0.113.7", "198.51.100.0/24,"]
    assert checks.allowlist(given_) == ("203.0.113.7", "2001:db8::/32", "198.51.100.0/24")
    checks.finish()


def test_the_name_of_a_scheduler_is_the_extensions_own_pattern() -> None:
    for name in ("abc", "A-1", "a" * 64, "9lives"):
        checks = Checks()
        checks.scheduler(name)
        checks.finish()
    for name in ("ab", "a" * 65, "-abc", "a_b", "a.b", "äbc", "abc\n", ""):
        checks = Checks()
        checks.scheduler(name)
        with pytest.raises(InputError):
            checks.finish()


@given(st.text(alphabet=st.characters(max_codepoint=127), max_size=66))
def test_a_task_hub_that_is_made_is_one_that_workers_can_be_told(name: str) -> None:
    checks = Checks()
    checks.taskhub(name)
    if not checks.problems:
        environment = Environment({"TASKHUB": name})
        assert read_connection(environment).taskhub == name
        environment.check()


@given(st.text(max_size=40))
def test_no_option_is_smuggled_into_az_through_a_name(name: str) -> None:
    for check in ("group", "scheduler", "taskhub", "identity", "location", "subscription"):
        checks = Checks()
        getattr(checks, check)(name)
        assert checks.problems or not name.startswith("-")


@given(st.lists(st.text(max_size=20), max_size=3))
def test_no_address_crashes_the_check(entries: list[str]) -> None:
    checks = Checks()
    allowed = checks.allowlist(entries)
    if not checks.problems:
        assert all(isinstance(is_private(entry), bool) for entry in allowed)
