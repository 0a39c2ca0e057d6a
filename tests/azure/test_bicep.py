import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.azure import commands
from scripts.local_stack import ROOT
from services.shared.environment import Environment
from services.worker.settings import WorkerSettings
from tests.azure import bicep
from tests.azure.stand_in import CLIENT, ENDPOINT

EACH_FILE = pytest.mark.parametrize("path", bicep.FILES, ids=lambda path: path.name)
ROLE_ID = "0ad04412-c4d5-4796-b79c-f76d14c8d402"
PARAMETERS = json.loads((bicep.FOLDER / "main.parameters.json").read_text())["parameters"]
AZD = yaml.safe_load((ROOT / "azure.yaml").read_text())


def tree(name: str) -> dict[str, Any]:
    """A file as data."""
    return bicep.parsed(bicep.FOLDER / f"{name}.bicep")


def required(file: dict[str, Any]) -> set[str]:
    """The parameters of a file that have no default."""
    parameters = file.get("parameters", {})
    return {name for name in parameters if parameters[name]["default"] is None}


@EACH_FILE
def test_every_name_that_is_used_is_declared_and_none_is_idle(path: Path) -> None:
    assert bicep.used(path) - bicep.declared(path) == set()
    assert bicep.unused(path) == set()


def test_a_name_that_is_mistyped_or_idle_is_found(tmp_path: Path) -> None:
    path = tmp_path / "main.bicep"
    shutil.copy(bicep.FOLDER / "worker.bicep", path)
    text = path.read_text()
    path.write_text(text.replace("value: endpoint }", "value: endpiont }"))
    assert bicep.used(path) - bicep.declared(path) == {"endpiont"}
    path.write_text(f"{text}\nparam idle string\n")
    assert bicep.unused(path) == {"idle"}


@pytest.mark.parametrize("module", tree("main")["modules"])
def test_modules_are_given_the_parameters_that_they_have(module: str) -> None:
    main = tree("main")["modules"][module]
    file = bicep.parsed(bicep.FOLDER / main["detail"]["path"])
    given = set(main["config"]["params"])
    assert given <= set(file["parameters"])
    assert required(file) <= given


def test_every_output_of_a_module_that_is_read_exists() -> None:
    text = (bicep.FOLDER / "main.bicep").read_text()
    read = set(re.findall(r"(\w+)\.outputs\.(\w+)", text))
    exists = {
        (name, output)
        for name, module in tree("main")["modules"].items()
        for output in bicep.parsed(bicep.FOLDER / module["detail"]["path"]).get("outputs", {})
    }
    assert read == exists


def test_the_parameters_file_gives_what_has_no_default_and_nothing_else() -> None:
    main = tree("main")
    assert required(main) <= set(PARAMETERS) <= set(main["parameters"])
    # Nobody is let in by a default.
    assert "ipAllowlist" in required(main)
    assert PARAMETERS["ipAllowlist"] == {"value": "${SCHEDULER_IP_ALLOWLIST}"}


def test_the_scheduler_its_hub_and_the_roles_are_what_the_scripts_make() -> None:
    resources = tree("scheduler")["resources"]
    kinds = {resource["type"] for resource in resources.values()}
    assert f"{commands.PROVIDER}/schedulers" in kinds
    assert f"{commands.PROVIDER}/schedulers/taskHubs" in kinds
    assert tree("scheduler")["variables"]["roleId"]["value"] == ROLE_ID
    roles = [r["config"] for r in resources.values() if r["type"].endswith("roleAssignments")]
    # On the hub, not on the scheduler or above: least privilege, as the scripts give it.
    assert [role.get("config", role)["scope"] for role in roles] == ["taskHub", "taskHub"]


def test_the_api_versions_are_stable_ones() -> None:
    versions = {
        resource["type"]: resource["api_version"]
        for path in bicep.FILES
        for resource in bicep.parsed(path).get("resources", {}).values()
    }
    assert versions["Microsoft.DurableTask/schedulers"] == "2025-11-01"
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", version) for version in versions.values())


def container_app() -> dict[str, Any]:
    """The container app's properties."""
    properties = tree("worker")["resources"]["worker"]["config"]["properties"]
    assert isinstance(properties, dict)
    return properties


def string_of(value: Any) -> str:
    """A value as Container Apps gets it, where it is a text or a number made into one."""
    variables = tree("worker")["variables"]
    if isinstance(value, dict):
        assert value["function"]["type"] == "string"
        value = value["function"]["parameters"]["value_to_convert"]
    return str(variables[value]["value"]) if value in variables else str(value)


def test_workers_are_scaled_by_what_waits_in_the_hub_as_themselves() -> None:
    rules = container_app()["template"]["scale"]["rules"]
    settings = {item["name"]: item["value"] for item in environment_of_worker()}
    for rule, kind in zip(rules, ("Activity", "Orchestration"), strict=True):
        custom = rule["custom"]
        assert custom["type"] == "azure-durabletask-scheduler"
        assert custom["identity"] == "identityId"
        metadata = custom["metadata"]
        names = {"endpoint", "taskhubName", "maxConcurrentWorkItemsCount", "workItemType"}
        assert metadata.keys() == names
        assert (metadata["endpoint"], metadata["taskhubName"]) == ("endpoint", "taskHubName")
        assert metadata["workItemType"] == kind
        # A text, and what one worker runs at once.
        limit = {"Activity": "ACTIVITIES", "Orchestration": "ORCHESTRATIONS"}[kind]
        assert metadata["maxConcurrentWorkItemsCount"] == settings[f"WORKER_{limit}_MAX"]


def environment_of_worker() -> list[dict[str, Any]]:
    """The worker's variables, as they stand in the file."""
    [container] = container_app()["template"]["containers"]
    assert isinstance(container, dict)
    listed = container["env"]
    assert isinstance(listed, list)
    return listed


def test_the_worker_understands_every_variable_that_it_is_given() -> None:
    place = "https://account.blob.core.windows.net/payloads"
    known = {
        "endpoint": ENDPOINT, "taskHubName": "default", "payloadStore": place,
        "identityClientId": CLIENT,
    }  # fmt: skip
    values = {
        item["name"]: known.get(str(item["value"]), string_of(item["value"]))
        for item in environment_of_worker()
    }
    environment = Environment(values | {"RUNS_IN_CONTAINER": "1"})
    settings = WorkerSettings.read(environment)
    sign_in = {"AZURE_CLIENT_ID", "AZURE_TOKEN_CREDENTIALS"}
    assert values.keys() - sign_in <= set(environment.names)
    assert settings.connection.endpoint == ENDPOINT
    assert settings.connection.secure
    assert getattr(settings.payloads.place, "account_url", None) == place.rpartition("/")[0]
    example = (ROOT / ".env.example").read_text()
    assert all(re.search(rf"^#? ?{name}=", example, re.MULTILINE) for name in sign_in)


def test_a_worker_has_longer_to_stop_than_it_gives_itself() -> None:
    template = container_app()["template"]
    grace = template["terminationGracePeriodSeconds"]["operator"]
    assert grace == {"type": "add", "operands": {"operand_1": "graceSeconds", "operand_2": 10}}


def test_workers_are_not_reached_from_outside_and_pull_without_a_password() -> None:
    configuration = container_app()["configuration"]
    assert "ingress" not in configuration
    assert configuration["registries"] == [{"server": "registryServer", "identity": "identityId"}]
    assert "adminUserEnabled: false" in (bicep.FOLDER / "registry.bicep").read_text()


def test_payloads_are_kept_without_keys_and_forgotten_only_on_request() -> None:
    resources = tree("payloads")["resources"]
    properties = resources["account"]["config"]["properties"]
    assert properties["allowSharedKeyAccess"] is False
    assert properties["allowBlobPublicAccess"] is False
    assert properties["supportsHttpsTrafficOnly"] is True
    assert properties["minimumTlsVersion"] == "TLS1_2"
    # Storage Blob Data Contributor, and AcrPull: nobody owns anything.
    roles = {name: tree(name)["variables"]["roleId"]["value"] for name in ("payloads", "registry")}
    assert roles == {
        "payloads": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
        "registry": "7f951dda-4ed3-4680-a7ca-43fe172d538d",
    }
    assert "condition" in resources["expiry"]["config"]
    assert tree("main")["parameters"]["payloadDaysMax"]["default"] == 0


def test_azd_finds_the_files_and_builds_the_image_that_everybody_runs() -> None:
    assert set(AZD) <= {"name", "infra", "services", "hooks", "metadata"}
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", AZD["name"])
    infra = AZD["infra"]
    assert infra["provider"] == "bicep"
    assert (ROOT / infra["path"] / f"{infra['module']}.bicep").is_file()
    [(name, service)] = AZD["services"].items()
    assert (service["host"], service["language"]) == ("containerapp", "docker")
    docker = service["docker"]
    known = {"path", "context", "platform", "registry", "image", "tag", "buildArgs", "remoteBuild"}
    assert docker.keys() <= known
    assert (ROOT / service["project"] / docker["path"]).resolve() == ROOT / "services/Dockerfile"
    assert docker["buildArgs"] == ["SERVICE=worker"]
    # azd finds the app by this tag, and the registry by this output.
    tags = tree("worker")["resources"]["worker"]["config"]["tags"]["function"]["parameters"]
    assert tags["arg_2"] == {"'azd-service-name'": name}
    assert "AZURE_CONTAINER_REGISTRY_ENDPOINT" in tree("main")["outputs"]
    assert PARAMETERS["workerImage"]["value"] == f"${{SERVICE_{name.upper()}_IMAGE_NAME=}}"


def test_azd_deploys_with_the_api_that_keeps_the_identity_of_a_scale_rule() -> None:
    version = tree("worker")["resources"]["worker"]["api_version"]
    # A text: without quotes YAML has a date there, which the schema of azd refuses.
    assert AZD["services"]["worker"]["apiVersion"] == version
    assert version >= "2025-01-01"


def test_the_hooks_of_azd_are_of_its_events_and_run_in_a_shell() -> None:
    assert AZD["hooks"].keys() == {"preprovision", "postprovision"}
    assert all(hook.keys() == {"shell", "run"} for hook in AZD["hooks"].values())
    outputs = set(tree("main")["outputs"])
    shown = set(re.findall(r"\$(\w+)", AZD["hooks"]["postprovision"]["run"]))
    assert shown <= outputs
