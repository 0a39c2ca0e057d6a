import subprocess
import sys

import pytest

from services.dashboard.settings import DashboardSettings
from services.shared.environment import Environment
from services.shared.errors import SettingsError
from tests.tidy.repository import ROOT


def test_the_dashboard_listens_on_this_machine_alone_by_default() -> None:
    settings = DashboardSettings.read(Environment({}))
    assert (settings.host, settings.port) == ("127.0.0.1", 8082)
    assert settings.scheduler == "http://localhost:8081"


@pytest.mark.parametrize(
    "values",
    [
        {"DASHBOARD_HOST": "0.0.0.0"},  # noqa: S104 - what is refused
        {"DASHBOARD_HOST": "::"},
        {"DASHBOARD_HOST": "192.0.2.7"},
        {"DASHBOARD_HOST": "board.example.com"},
        {"DASHBOARD_HOST": "0.0.0.0", "DASHBOARD_ALLOW_INSECURE": "0"},  # noqa: S104 - as above
        # Of the scheduler, and a token that is a reader's or not: it asks nobody for a password.
        {"DASHBOARD_HOST": "0.0.0.0", "SCHEDULER_ALLOW_INSECURE": "1"},  # noqa: S104 - as above
        {"DASHBOARD_HOST": "0.0.0.0", "ENDPOINT_TOKEN": "t" * 32},  # noqa: S104 - as above
    ],
)
def test_other_machines_reach_it_only_where_somebody_has_meant_it(values: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as refused:
        DashboardSettings.read(Environment(values))
    [problem] = refused.value.problems
    assert (problem.name, problem.value) == ("DASHBOARD_HOST", values["DASHBOARD_HOST"])
    assert "DASHBOARD_ALLOW_INSECURE=1" in problem.allowed
    allowed = values | {"DASHBOARD_ALLOW_INSECURE": "1"}
    assert DashboardSettings.read(Environment(allowed)).is_exposed


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost", "LOCALHOST."])
def test_this_machine_is_no_other_machine(host: str) -> None:
    settings = DashboardSettings.read(Environment({"DASHBOARD_HOST": host}))
    assert not settings.is_exposed


def test_every_bad_setting_is_told_with_its_value() -> None:
    bad = {
        "DASHBOARD_HOST": "my host",
        "DASHBOARD_PORT": "70000",
        "DASHBOARD_HOSTS": "a b",
        "SCHEDULER_HTTP_ENDPOINT": "localhost:8081",
        "TASKHUB": "a/b",
        "LOG_LEVEL": "loud",
        "LOG_FORMAT": "xml",
    }
    with pytest.raises(SettingsError) as refused:
        DashboardSettings.read(Environment(bad))
    assert {problem.name: problem.value for problem in refused.value.problems} == bad


@pytest.mark.parametrize(
    "endpoint", ["http://scheduler:8081/", "http://[::1]:8081", "https://a.example.com"]
)
def test_a_schedulers_address_may_be_a_name_or_an_address(endpoint: str) -> None:
    settings = DashboardSettings.read(Environment({"SCHEDULER_HTTP_ENDPOINT": endpoint}))
    assert settings.scheduler == endpoint.rstrip("/")


def test_names_of_hosts_are_separated_by_commas() -> None:
    settings = DashboardSettings.read(Environment({"DASHBOARD_HOSTS": "a.example.com , b"}))
    assert settings.hosts == ("a.example.com", "b")


def test_a_bad_setting_ends_the_dashboard_with_2_and_a_line_that_names_it() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "services.dashboard"],
        cwd=ROOT,
        env={"DASHBOARD_PORT": "http"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 2
    assert "DASHBOARD_PORT='http'" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("port", ["0", "65536", "99999"])
def test_a_schedulers_port_is_one_that_exists(port: str) -> None:
    with pytest.raises(SettingsError):
        DashboardSettings.read(Environment({"SCHEDULER_HTTP_ENDPOINT": f"http://x:{port}"}))
