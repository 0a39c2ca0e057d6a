import re
from typing import Any

import kubernetes_validate
import pytest
import yaml

from scripts.local_stack import ROOT
from services.shared.environment import Environment
from services.worker.settings import WorkerSettings

FOLDER = ROOT / "deploy" / "kubernetes"
MANIFESTS = [path for path in sorted(FOLDER.glob("*.yaml")) if path.stem != "kustomization"]
NEWEST = "1.37"
# What a kustomization of ours says; each part is followed below.
KNOWN = {"apiVersion", "kind", "namespace", "resources", "configMapGenerator", "images"}
# What AKS itself has supported for years, and the newest that the schemas know.
VERSIONS = ("1.30", NEWEST)


def manifest(name: str) -> dict[str, Any]:
    """One file."""
    found = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    assert isinstance(found, dict)
    return found


def pod() -> dict[str, Any]:
    """The pod that the deployment makes."""
    found = manifest("deployment")["spec"]["template"]
    assert isinstance(found, dict)
    return found


def container() -> dict[str, Any]:
    """Its only container."""
    [found] = pod()["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def settings() -> dict[str, str]:
    """The lines of worker.env, as kustomize reads them."""
    lines = (FOLDER / "worker.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def variables() -> dict[str, str]:
    """All that the container is told."""
    return settings() | {item["name"]: item["value"] for item in container()["env"]}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_every_manifest_is_what_kubernetes_takes_and_no_field_is_unknown(
    path: Any, version: str
) -> None:
    kubernetes_validate.validate(yaml.safe_load(path.read_text()), version, strict=True)


def test_a_field_that_does_not_exist_is_found() -> None:
    mistyped = manifest("deployment")
    mistyped["spec"]["template"]["spec"]["terminationGraceSeconds"] = 40
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(mistyped, NEWEST, strict=True)


def test_kustomization_names_every_file_once_and_everything_fits_together() -> None:
    kustomization = manifest("kustomization")
    assert sorted(kustomization["resources"]) == [path.name for path in MANIFESTS]
    assert kustomization["namespace"] == manifest("namespace")["metadata"]["name"]
    [generated] = kustomization["configMapGenerator"]
    [source] = container()["envFrom"]
    assert generated == {"name": source["configMapRef"]["name"], "envs": ["worker.env"]}
    [image] = kustomization["images"]
    assert image["name"] == container()["image"] == "durable-task-home/worker"
    deployment = manifest("deployment")
    labels = pod()["metadata"]["labels"]
    for selector in (
        deployment["spec"]["selector"],
        manifest("disruptions")["spec"]["selector"],
        pod()["spec"]["topologySpreadConstraints"][0]["labelSelector"],
    ):
        assert selector["matchLabels"].items() <= labels.items()
    target = manifest("autoscaler")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", deployment["metadata"]["name"])
    assert "replicas" not in deployment["spec"]


def rendered() -> dict[str, dict[str, Any]]:
    """What kustomize makes of the folder, by kind; whatever it does that we don't know is refused.

    The hash that ends the name of generated settings is a mark here.
    """
    kustomization = manifest("kustomization")
    assert kustomization.keys() == KNOWN
    namespace = kustomization["namespace"]
    [generated] = kustomization["configMapGenerator"]
    settings_name = f"{generated['name']}-hash"
    objects = [yaml.safe_load((FOLDER / name).read_text()) for name in kustomization["resources"]]
    objects.append(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": settings_name},
            "data": settings(),
        }
    )
    for one in objects:
        if one["kind"] != "Namespace":
            one["metadata"]["namespace"] = namespace
    kinds = {one["kind"]: one for one in objects}
    assert len(kinds) == len(objects)
    [runs] = kinds["Deployment"]["spec"]["template"]["spec"]["containers"]
    for image in kustomization["images"]:
        if runs["image"].partition(":")[0] == image["name"]:
            runs["image"] = f"{image['newName']}:{image['newTag']}"
    for source in runs["envFrom"]:
        if source["configMapRef"]["name"] == generated["name"]:
            source["configMapRef"]["name"] = settings_name
    return kinds


def test_what_kustomize_makes_of_it_is_what_kubernetes_takes() -> None:
    kinds = rendered()
    for each in kinds.values():
        kubernetes_validate.validate(each, NEWEST, strict=True)
    spec = kinds["Deployment"]["spec"]["template"]["spec"]
    assert spec["containers"][0]["image"] == "myregistry.azurecr.io/worker:1"
    [source] = spec["containers"][0]["envFrom"]
    assert source["configMapRef"]["name"] == kinds["ConfigMap"]["metadata"]["name"]
    assert kinds["ConfigMap"]["data"] == settings()
    assert {one["metadata"].get("namespace") for one in kinds.values()} == {None, "durable-task"}


def test_no_setting_is_written_in_a_way_that_kustomize_reads_otherwise() -> None:
    # It takes a line as it stands: quotes, spaces and comments behind a value would be in it.
    for name, value in settings().items():
        assert re.fullmatch(r"[A-Z][A-Z0-9_]*", name)
        assert re.fullmatch(r"[^\s\"'#]+", value), name


def test_the_worker_understands_every_variable_that_it_is_given() -> None:
    environment = Environment(variables() | {"RUNS_IN_CONTAINER": "1"})
    read = WorkerSettings.read(environment)
    assert variables().keys() - {"AZURE_TOKEN_CREDENTIALS"} <= set(environment.names)
    assert read.connection.secure
    assert read.payloads.place is None
    [port] = container()["ports"]
    assert port["containerPort"] == read.metrics_port


def test_workers_sign_in_with_workload_identity() -> None:
    account = manifest("serviceaccount")
    assert "azure.workload.identity/client-id" in account["metadata"]["annotations"]
    assert pod()["metadata"]["labels"]["azure.workload.identity/use"] == "true"
    assert pod()["spec"]["serviceAccountName"] == account["metadata"]["name"]
    assert {"AZURE_TOKEN_CREDENTIALS": "WorkloadIdentityCredential"}.items() <= variables().items()
    # The add-on says who: what stood here would stand in its way.
    added = {"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE"}
    assert not added & variables().keys()


def test_pods_may_do_as_little_as_in_compose() -> None:
    spec = pod()["spec"]
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "fsGroup": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container()["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["automountServiceAccountToken"] is False
    assert container()["resources"]["limits"].keys() == {"cpu", "memory"}
    enforced = manifest("namespace")["metadata"]["labels"]
    assert enforced["pod-security.kubernetes.io/enforce"] == "restricted"


def test_health_is_asked_of_our_own_code() -> None:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["worker"]
    for probe in ("readinessProbe", "livenessProbe"):
        command = container()[probe]["exec"]["command"]
        assert ["CMD", *command] == compose["healthcheck"]["test"]
    # Where there is no state, the probe says so and fails: it must be written where it may be.
    [mount] = container()["volumeMounts"]
    assert variables()["WORKER_STATE_FILE"].startswith(f"{mount['mountPath']}/")


def test_a_worker_has_longer_to_stop_than_it_gives_itself() -> None:
    grace = int(variables()["WORKER_GRACE_SECONDS"])
    assert pod()["spec"]["terminationGracePeriodSeconds"] == grace + 10


def test_a_scheduler_that_is_away_restarts_no_worker_for_five_minutes() -> None:
    probe = container()["livenessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == 300


def test_no_scaler_is_asked_for_that_kubernetes_does_not_have() -> None:
    kinds = {manifest(path.stem)["kind"] for path in MANIFESTS}
    assert "ScaledObject" not in kinds
    assert "HorizontalPodAutoscaler" in kinds
