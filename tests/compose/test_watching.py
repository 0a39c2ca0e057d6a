"""The profiles `tracing` and `metrics`, as compose resolves them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.compose.compose_stack import BASE, EMBEDDED, ROOT, environment_with, run

pytestmark = pytest.mark.usefixtures("compose_command")

VIEWERS = {"jaeger": "tracing", "prometheus": "metrics", "grafana": "metrics"}
PROMETHEUS = ROOT / "deploy" / "observability" / "prometheus"
GRAFANA = ROOT / "deploy" / "observability" / "grafana"


def resolved(*profiles: str, files: tuple[str, ...] = EMBEDDED, **variables: str) -> dict[str, Any]:
    """The services that run with these profiles."""
    arguments = [argument for file in files for argument in ("--file", file)]
    arguments += [argument for profile in profiles for argument in ("--profile", profile)]
    ran = run(
        "docker", "compose", "--env-file", "/dev/null", *arguments, "config", "--format", "json",
        environment=environment_with(**variables),
    )  # fmt: skip
    assert ran.code == 0, ran.err
    services: dict[str, Any] = json.loads(ran.out)["services"]
    return services


def test_nothing_watches_the_stack_unless_asked() -> None:
    assert not VIEWERS.keys() & resolved("client").keys()


@pytest.mark.parametrize("files", [BASE, EMBEDDED], ids=["emulator", "embedded"])
@pytest.mark.parametrize("profile", ["tracing", "metrics"])
def test_a_profile_adds_its_own_viewers(profile: str, files: tuple[str, ...]) -> None:
    added = resolved(profile, files=files).keys() - resolved(files=files).keys()
    assert added == {name for name, of in VIEWERS.items() if of == profile}


@pytest.mark.parametrize("name", VIEWERS)
def test_a_viewer_is_an_exact_image_locked_down_and_reached_from_this_machine_only(
    name: str,
) -> None:
    viewer = resolved(VIEWERS[name])[name]
    version = viewer["image"].rpartition(":")[2].removeprefix("v")
    assert [part.isdecimal() for part in version.split(".")] == [True] * 3
    assert "build" not in viewer
    assert viewer["read_only"] is True
    assert viewer["cap_drop"] == ["ALL"]
    assert viewer["security_opt"] == ["no-new-privileges:true"]
    assert viewer["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    assert [port["host_ip"] for port in viewer["ports"]] == ["127.0.0.1"]


@pytest.mark.parametrize("name", ["prometheus", "grafana"])
def test_what_a_viewer_is_configured_with_is_there_and_not_its_to_write(name: str) -> None:
    binds = [v for v in resolved("metrics")[name]["volumes"] if v["type"] == "bind"]
    assert binds
    for bind in binds:
        assert Path(bind["source"]).is_dir()
        assert bind["read_only"] is True


def test_workers_and_client_send_their_traces_where_the_viewer_listens() -> None:
    endpoint = "http://jaeger:4318"
    services = resolved("tracing", "client", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
    for name in ("worker", "client"):
        assert services[name]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"] == endpoint
    assert services["jaeger"]["environment"]["JAEGER_LISTEN_HOST"] == "0.0.0.0"  # noqa: S104 - in its own network
    # `make up TRACING=1` sets it.
    assert (
        f"export OTEL_EXPORTER_OTLP_ENDPOINT={endpoint}"
        in (ROOT / "scripts" / "compose").read_text()
    )


def test_prometheus_asks_the_ports_on_which_the_services_serve_their_metrics() -> None:
    services = resolved("metrics")
    jobs = {
        job["job_name"]: job
        for job in yaml.safe_load((PROMETHEUS / "prometheus.yaml").read_text())["scrape_configs"]
    }
    assert jobs.keys() == {"scheduler", "worker"}
    [target] = jobs["scheduler"]["static_configs"][0]["targets"]
    host, port = target.split(":")
    assert host in services
    assert int(port) in [one["target"] for one in services[host]["ports"]]
    [workers] = jobs["worker"]["dns_sd_configs"]
    assert workers["names"] == ["worker"]
    assert services["worker"]["environment"]["WORKER_METRICS_PORT"] == str(workers["port"])
    # Prometheus reaches it inside the network, and nobody from outside.
    assert "ports" not in services["worker"]


def test_prometheus_has_what_it_takes_to_ask_a_scheduler_with_tls_and_tokens() -> None:
    text = (PROMETHEUS / "prometheus.yaml").read_text()
    taken_in = re.sub(r"^( +)# (?=[a-z_]+: )", r"\1", text, flags=re.MULTILINE)
    [job] = [
        job for job in yaml.safe_load(taken_in)["scrape_configs"] if job["job_name"] == "scheduler"
    ]
    assert job["scheme"] == "https"
    # Where docs/operations.md has them, for a certificate that names the host that is asked.
    page = (ROOT / "docs" / "operations.md").read_text()
    assert f"ENDPOINT_CA={job['tls_config']['ca_file']}\n" in page
    assert f"ENDPOINT_TOKEN_FILE={job['authorization']['credentials_file']}\n" in page
    assert "names the host `scheduler`" in page
    assert job["static_configs"] == [{"targets": ["scheduler:8081"]}]
    assert "prometheus/prometheus.yaml" in page


def test_grafana_asks_the_services_of_the_profiles() -> None:
    services = resolved("metrics", "tracing")
    file = GRAFANA / "provisioning" / "datasources" / "datasources.yaml"
    sources = {one["uid"]: one for one in yaml.safe_load(file.read_text())["datasources"]}
    assert sources.keys() == {"prometheus", "jaeger"}
    for uid, source in sources.items():
        host, port = source["url"].removeprefix("http://").split(":")
        assert host == uid
        assert int(port) in [one["target"] for one in services[host]["ports"]]
    provider = GRAFANA / "provisioning" / "dashboards" / "boards.yaml"
    [boards] = yaml.safe_load(provider.read_text())["providers"]
    targets = {volume["target"] for volume in services["grafana"]["volumes"]}
    assert boards["options"]["path"] in targets


def test_whoever_reaches_grafana_reads_and_changes_nothing() -> None:
    told = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["grafana"]["environment"]
    assert told["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert told["GF_AUTH_BASIC_ENABLED"] == "false"
    assert told["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert told["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
