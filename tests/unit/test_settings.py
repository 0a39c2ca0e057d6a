import re
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from services.client.settings import ClientSettings
from services.dashboard.settings import DashboardSettings
from services.dashboard.usage import MEANINGS as MEANINGS_OF_DASHBOARD
from services.scheduler.bounds import DEFAULTS, Bounds, setting_of
from services.scheduler.settings import SchedulerSettings
from services.scheduler.usage import MEANINGS as MEANINGS_OF_SCHEDULER
from services.shared.environment import Environment
from services.shared.errors import SettingsError
from services.worker.settings import WorkerSettings
from services.worker.usage import MEANINGS as MEANINGS_OF_WORKER

SERVICES: list[Any] = [ClientSettings, DashboardSettings, SchedulerSettings, WorkerSettings]
EXAMPLE = Path(__file__).resolve().parents[2] / ".env.example"


def example_settings() -> dict[str, str]:
    lines = re.findall(r"^#?\s?([A-Z][A-Z0-9_]+)=(.*)$", EXAMPLE.read_text(), flags=re.MULTILINE)
    return {name: value.strip() for name, value in lines}


@pytest.mark.parametrize("service", SERVICES)
def test_every_setting_stands_in_the_example(service: Any) -> None:
    environment = Environment({})
    service.read(environment)
    assert set(environment.names) <= set(example_settings())


@pytest.mark.parametrize("service", SERVICES)
def test_the_example_shows_the_defaults(service: Any) -> None:
    # RUNS_IN_CONTAINER changes a default by itself; it is what our images set.
    values = {k: v for k, v in example_settings().items() if k != "RUNS_IN_CONTAINER"}
    assert service.read(Environment(values)) == service.read(Environment({}))


@pytest.mark.parametrize(
    ("service", "meanings"),
    [
        (SchedulerSettings, MEANINGS_OF_SCHEDULER),
        (WorkerSettings, MEANINGS_OF_WORKER),
        (DashboardSettings, MEANINGS_OF_DASHBOARD),
    ],
)
def test_the_help_of_a_service_names_every_setting_and_its_default(
    service: Any, meanings: Mapping[str, str]
) -> None:
    environment = Environment({})
    service.read(environment)
    assert set(meanings) == set(environment.names)
    defaults = re.findall(r"^([A-Z0-9_]+)=(.+)$", EXAMPLE.read_text(), flags=re.MULTILINE)
    told = {name: value for name, value in defaults if name in meanings}
    assert told
    for name, value in told.items():
        assert f"({value})" in meanings[name], name


def test_every_bad_setting_of_a_worker_is_told_with_its_value_and_what_is_allowed() -> None:
    bad = {
        "PROCESSING_MS": "-1",
        "FAILURE_RATE": "1.5",
        "TRANSIENT_FAILURE_RATE": "nan",
        "WORKER_ACTIVITIES_MAX": "0",
        "WORKER_ORCHESTRATIONS_MAX": "many",
        "WORKER_GRACE_SECONDS": "1e3",
        "LOG_LEVEL": "loud",
        "LOG_FORMAT": "xml",
    }
    with pytest.raises(SettingsError) as refused:
        WorkerSettings.read(Environment(bad))
    told = {problem.name: problem.value for problem in refused.value.problems}
    assert told == bad
    assert "FAILURE_RATE='1.5': a number from 0 to 1, such as 0.1" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "rate"), [("0", 0.0), ("1", 1.0), ("0.25", 0.25), (".5", 0.5), ("1.0", 1.0)]
)
def test_a_rate_is_a_number_from_zero_to_one(text: str, rate: float) -> None:
    settings = WorkerSettings.read(Environment({"FAILURE_RATE": text}))
    assert settings.processing.failure_rate == rate


@pytest.mark.parametrize("hubs", ["a b", ",", "a,,b", "a;b"])
def test_task_hubs_are_names_separated_by_commas(hubs: str) -> None:
    with pytest.raises(SettingsError, match="DTS_TASK_HUB_NAMES"):
        SchedulerSettings.read(Environment({"DTS_TASK_HUB_NAMES": hubs}))


def test_spaces_around_task_hub_names_are_tolerated_as_the_emulator_does() -> None:
    settings = SchedulerSettings.read(Environment({"DTS_TASK_HUB_NAMES": "a , b,a"}))
    assert settings.task_hubs == ("a", "b")


@pytest.mark.parametrize(
    ("values", "directory"),
    [
        ({}, "data/payloads"),
        ({"SCHEDULER_DATA_DIR": "/var/tasks"}, "/var/tasks/payloads"),
        ({"SCHEDULER_DATA_DIR": "/data", "RUNS_IN_CONTAINER": "1"}, "/payloads"),
        ({"PAYLOAD_STORE": "/mnt/large"}, "/mnt/large"),
        ({"PAYLOAD_STORE": "none"}, None),
        ({"PAYLOAD_STORE": "https://shop.blob.core.windows.net/payloads"}, None),
    ],
)
def test_the_scheduler_collects_payloads_in_a_directory_or_nowhere(
    values: dict[str, str], directory: str | None
) -> None:
    settings = SchedulerSettings.read(Environment(values))
    assert settings.payload_dir == (None if directory is None else Path(directory))


def test_a_scheduler_refuses_a_payload_store_that_is_none() -> None:
    with pytest.raises(SettingsError, match="PAYLOAD_STORE"):
        SchedulerSettings.read(Environment({"PAYLOAD_STORE": "http://elsewhere/payloads"}))


def test_every_bound_has_a_setting_of_its_own_and_stands_in_the_operators_page() -> None:
    page = (EXAMPLE.parent / "docs" / "operations.md").read_text()
    names = [bound.name for bound in fields(Bounds)]
    assert set(names) >= {"calls_max", "pending_max", "workers_max"}
    for number, name in enumerate(names):
        assert f"`{setting_of(name)}`" in page
        value = 8 * 1024 * 1024 + number
        settings = SchedulerSettings.read(Environment({setting_of(name): str(value)}))
        assert settings.bounds == replace(DEFAULTS, **{name: value})


def test_a_bound_of_nothing_is_no_bound() -> None:
    bytes_max = ("MESSAGE_BYTES_MAX", "WORK_ITEM_BYTES_MAX", "CALL_BYTES_MAX", "INBOX_BYTES_MAX")
    bad = {"SCHEDULER_WORKERS_MAX": "0"} | {f"SCHEDULER_{name}": "1000" for name in bytes_max}
    with pytest.raises(SettingsError) as refused:
        SchedulerSettings.read(Environment(bad))
    assert {problem.name for problem in refused.value.problems} == set(bad)
