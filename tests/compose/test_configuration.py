import json
from typing import Any

import pytest

from services.client.settings import ClientSettings
from services.dashboard.settings import DashboardSettings
from services.scheduler.settings import SchedulerSettings
from services.shared.environment import Environment
from services.shared.errors import SettingsError
from services.worker.settings import WorkerSettings
from tests.compose.compose_stack import BASE, EMBEDDED, environment_with, run

pytestmark = pytest.mark.usefixtures("compose_command")

OURS = [
    (BASE, "worker"),
    (BASE, "client"),
    (EMBEDDED, "scheduler"),
    (EMBEDDED, "worker"),
    (EMBEDDED, "dashboard"),
]
DECIDED_BY_THE_CONTAINER = {
    "RUNS_IN_CONTAINER",
    "WORKER_STATE_FILE",
    "WORKER_METRICS_HOST",
    "SCHEDULER_HOST",
    "SCHEDULER_GRPC_PORT",
    "SCHEDULER_HTTP_PORT",
    "SCHEDULER_HTTP_ENDPOINT",
    "SCHEDULER_DATA_DIR",
    "DASHBOARD_HOST",
    "DASHBOARD_PORT",
    "DTS_TASK_HUB_NAMES",
}
AZURE = {
    "AZURE_AUTHORITY_HOST": "https://login.example",
    "AZURE_CLIENT_ID": "id",
    "AZURE_CLIENT_SECRET": "a$ecret",
    "AZURE_FEDERATED_TOKEN_FILE": "/token",
    "AZURE_TENANT_ID": "tenant",
    "AZURE_TOKEN_CREDENTIALS": "AzureCliCredential",
}


def configured(
    files: tuple[str, ...] = BASE, /, dotenv: str = "/dev/null", **variables: str
) -> dict[str, Any]:
    """The services as compose resolves them without a `.env`, what is unset left out."""
    chosen = [argument for file in files for argument in ("--file", file)]
    ran = run(
        "docker", "compose", "--env-file", dotenv, *chosen, "--profile", "client",
        "config", "--format", "json",
        environment=environment_with(**variables),
    )  # fmt: skip
    assert ran.code == 0, ran.err
    services: dict[str, Any] = json.loads(ran.out)["services"]
    for service in services.values():
        service["environment"] = {
            name: value for name, value in service["environment"].items() if value is not None
        }
    return {
        name: {key: value for key, value in service.items() if value is not None}
        for name, service in services.items()
    }


def published(service: dict[str, Any]) -> list[tuple[str, str, int]]:
    return [(port["host_ip"], port["published"], port["target"]) for port in service["ports"]]


def test_the_emulator_runs_as_its_documentation_runs_it_and_nothing_is_added_unseen() -> None:
    emulator = configured()["scheduler"]
    assert set(emulator) - {"networks"} == {"image", "environment", "ports", "restart"}
    assert emulator["image"] == "mcr.microsoft.com/dts/dts-emulator:latest"
    assert emulator["environment"] == {"DTS_TASK_HUB_NAMES": "default"}
    assert published(emulator) == [
        ("127.0.0.1", "8080", 8080),
        ("127.0.0.1", "8081", 8081),
        ("127.0.0.1", "8082", 8082),
    ]


def test_another_version_of_the_emulator_is_one_variable() -> None:
    emulator = configured(SCHEDULER_IMAGE="registry.example/emulator:1")["scheduler"]
    assert emulator["image"] == "registry.example/emulator:1"


def test_all_share_the_endpoint_and_the_task_hub() -> None:
    services = configured(TASKHUB="orders")
    for name in ("worker", "client"):
        assert services[name]["environment"]["ENDPOINT"] == "http://scheduler:8080"
        assert services[name]["environment"]["TASKHUB"] == "orders"
    assert services["scheduler"]["environment"]["DTS_TASK_HUB_NAMES"] == "orders"


@pytest.mark.parametrize("files", [BASE, EMBEDDED], ids=["emulator", "embedded"])
def test_every_port_is_published_on_the_loopback_interface_only(files: tuple[str, ...]) -> None:
    for service in configured(files).values():
        for port in service.get("ports", []):
            assert port["host_ip"] == "127.0.0.1"


def test_the_ports_on_this_machine_can_be_others() -> None:
    scheduler = configured(SCHEDULER_GRPC_PORT="1", SCHEDULER_HTTP_PORT="2", DASHBOARD_PORT="3")
    assert [port for _, port, _ in published(scheduler["scheduler"])] == ["1", "2", "3"]


@pytest.mark.parametrize(("files", "name"), OURS)
def test_what_we_build_is_locked_down(files: tuple[str, ...], name: str) -> None:
    service = configured(files)[name]
    limits = service["deploy"]["resources"]["limits"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True
    assert service["user"] == "10001:10001"
    assert service["tmpfs"] == ["/tmp"]  # noqa: S108 - the container's own
    assert limits.keys() == {"cpus", "memory", "pids"}
    assert "pids_limit" not in service


@pytest.mark.parametrize(("files", "name"), OURS)
def test_what_we_build_is_built_from_one_file_and_never_pulled(
    files: tuple[str, ...], name: str
) -> None:
    service = configured(files)[name]
    assert service["build"]["dockerfile"] == "services/Dockerfile"
    assert service["build"]["args"] == {"SERVICE": name}
    assert service["image"] == f"durable-task-home/{name}"
    assert service["pull_policy"] == "never"


def test_another_python_is_one_variable() -> None:
    services = configured(EMBEDDED, PYTHON_IMAGE="python:3.12-slim")
    assert {service["build"]["args"]["PYTHON_IMAGE"] for service in services.values()} == {
        "python:3.12-slim"
    }


@pytest.mark.parametrize(
    ("files", "name"),
    [(BASE, "worker"), (EMBEDDED, "worker"), (EMBEDDED, "scheduler"), (EMBEDDED, "dashboard")],
)
def test_health_is_asked_of_our_own_code(files: tuple[str, ...], name: str) -> None:
    test = configured(files)[name]["healthcheck"]["test"]
    assert test == ["CMD", "python", "-m", f"services.{name}.probe"]


def test_two_workers_run_unless_told_otherwise() -> None:
    assert configured()["worker"]["deploy"]["replicas"] == 2
    assert configured(WORKER_REPLICAS="5")["worker"]["deploy"]["replicas"] == 5


@pytest.mark.parametrize(
    ("variables", "period"), [({}, "40s"), ({"WORKER_GRACE_SECONDS": "90"}, "1m40s")]
)
def test_a_worker_is_killed_ten_seconds_after_its_own_grace_is_over(
    variables: dict[str, str], period: str
) -> None:
    assert configured(**variables)["worker"]["stop_grace_period"] == period


def test_a_setting_that_is_unset_stays_unset_in_the_container() -> None:
    services = configured()
    assert services["worker"]["environment"].keys() == {
        "ENDPOINT",
        "TASKHUB",
        "WORKER_METRICS_PORT",
        "WORKER_STATE_FILE",
    }
    assert services["client"]["environment"].keys() == {"ENDPOINT", "TASKHUB"}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("worker", WorkerSettings),
        ("client", ClientSettings),
        ("scheduler", SchedulerSettings),
        ("dashboard", DashboardSettings),
    ],
)
def test_every_setting_of_a_service_reaches_it_unless_its_container_decides_it(
    name: str,
    settings: type[WorkerSettings | ClientSettings | SchedulerSettings | DashboardSettings],
) -> None:
    environment = Environment({})
    settings.read(environment)
    wanted = set(environment.names) - DECIDED_BY_THE_CONTAINER
    service = configured(EMBEDDED, **dict.fromkeys(wanted, "7"))[name]
    assert {key for key, value in service["environment"].items() if value == "7"} == wanted


def test_an_azure_endpoint_and_sign_in_reach_workers_and_client() -> None:
    services = configured(ENDPOINT="https://orders.example", **AZURE)
    for name in ("worker", "client"):
        environment = services[name]["environment"]
        assert environment["ENDPOINT"] == "https://orders.example"
        # Compose writes a dollar sign so that it could read it again.
        assert {key: environment[key].replace("$$", "$") for key in AZURE} == AZURE
    assert not AZURE.keys() & services["scheduler"]["environment"].keys()


def test_nothing_waits_for_a_scheduler_that_may_be_elsewhere() -> None:
    assert not any("depends_on" in service for service in configured(EMBEDDED).values())


def test_the_client_runs_only_when_asked_and_reads_the_orders() -> None:
    client = configured()["client"]
    [orders, _] = client["volumes"]
    assert client["profiles"] == ["client"]
    assert (orders["target"], orders["read_only"]) == ("/orders", True)
    assert "restart" not in client


def test_our_own_scheduler_takes_the_place_of_the_emulator() -> None:
    scheduler = configured(EMBEDDED, TASKHUB="orders")["scheduler"]
    assert scheduler["environment"] == {
        "DTS_TASK_HUB_NAMES": "orders",
        "SCHEDULER_ALLOW_INSECURE": "1",
    }
    assert published(scheduler) == [("127.0.0.1", "8080", 8080), ("127.0.0.1", "8081", 8081)]
    [data, _] = scheduler["volumes"]
    assert (data["type"], data["source"], data["target"]) == ("volume", "scheduler-data", "/data")
    assert scheduler["stop_grace_period"] == "15s"
    assert scheduler["restart"] == "unless-stopped"


@pytest.mark.parametrize("dotenv", ["/dev/null", ".env.example"], ids=["none", "a copy"])
def test_what_other_containers_reach_is_allowed_to_be_reached_by_them(dotenv: str) -> None:
    services = configured(EMBEDDED, dotenv=dotenv)
    reads: dict[str, type[SchedulerSettings | DashboardSettings]] = {
        "scheduler": SchedulerSettings,
        "dashboard": DashboardSettings,
    }
    for name, settings in reads.items():
        # As the image has it.
        image = {f"{name.upper()}_HOST": "0.0.0.0"}  # noqa: S104 - in a container
        values = image | services[name]["environment"]
        assert settings.read(Environment(values)).is_exposed
        refusing = values | {f"{name.upper()}_ALLOW_INSECURE": "0"}
        with pytest.raises(SettingsError, match=f"{name.upper()}_HOST"):
            settings.read(Environment(refusing))


@pytest.mark.parametrize(
    ("files", "names"),
    [(BASE, {"worker", "client"}), (EMBEDDED, {"worker", "client", "scheduler"})],
    ids=["emulator", "embedded"],
)
def test_large_payloads_are_on_a_volume_that_all_who_use_them_share(
    files: tuple[str, ...], names: set[str]
) -> None:
    payloads = {
        (name, volume["type"], volume["source"], volume.get("read_only", False))
        for name, service in configured(files).items()
        for volume in service.get("volumes", [])
        if volume["target"] == "/payloads"
    }
    assert payloads == {(name, "volume", "payloads", False) for name in names}


def test_the_dashboard_stands_beside_our_own_scheduler_only() -> None:
    dashboard = configured(EMBEDDED, TASKHUB="orders", DASHBOARD_PORT="3")["dashboard"]
    assert dashboard["environment"] == {
        "DASHBOARD_ALLOW_INSECURE": "1",
        "SCHEDULER_HTTP_ENDPOINT": "http://scheduler:8081",
        "TASKHUB": "orders",
    }
    assert published(dashboard) == [("127.0.0.1", "3", 8082)]
    assert "volumes" not in dashboard
    assert dashboard["restart"] == "unless-stopped"
    assert "dashboard" not in configured()
