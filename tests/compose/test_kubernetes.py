"""The worker's image as deploy/ runs it, on a Docker engine in a kubelet's place."""

import time
import uuid

from tests.azure.test_bicep import container_app, string_of
from tests.azure.test_kubernetes import container, pod, variables
from tests.compose.compose_stack import ComposeStack, docker, run

SECONDS_MAX = 60.0
# By the address that others know: Container Apps asks from outside of the container.
ASK = (
    "import socket, urllib.request as ask; own = socket.gethostbyname(socket.gethostname());"
    " print(ask.urlopen(f'http://{{own}}:{port}{path}', timeout=5).status)"
)


def liveness_probe() -> dict[str, str]:
    """What deploy/azure asks of the same image."""
    [container_] = container_app()["template"]["containers"]
    [probe] = container_["probes"]["operator"]["operands"]["true_value"]
    asked = probe["httpGet"]
    return {"path": asked["path"], "port": string_of(asked["port"])}


def test_a_worker_runs_under_the_pods_restrictions_and_is_healthy_to_its_probe(
    stack: ComposeStack,
) -> None:
    told = variables() | {"ENDPOINT": "http://scheduler:8080", "TASKHUB": "orders"}
    name = f"{stack.project}-pod-{uuid.uuid4().hex[:8]}"
    limits = container()["resources"]["limits"]
    [tmp] = container()["volumeMounts"]
    user = pod()["spec"]["securityContext"]
    command = [
        "run", "--detach", "--name", name, "--network", f"{stack.project}_default",
        "--user", f"{user['runAsUser']}:{user['runAsGroup']}", "--read-only", "--cap-drop", "ALL",
        "--security-opt", "no-new-privileges", "--tmpfs", tmp["mountPath"],
        "--memory", limits["memory"].replace("Mi", "m"), "--cpus", limits["cpu"],
        *(f"--env={name}={value}" for name, value in told.items()), f"{stack.project}/worker",
    ]  # fmt: skip
    try:
        docker(*command)
        probe = ("docker", "exec", name, *container()["readinessProbe"]["exec"]["command"])
        deadline = time.monotonic() + SECONDS_MAX
        while (ran := run(*probe)).code:
            assert time.monotonic() < deadline, ran.out + ran.err + docker("logs", name)
            time.sleep(0.2)
        assert ran.out == "connected, 0 activities running\n"
        assert docker("exec", name, "python", "-c", ASK.format(**liveness_probe())) == "200"
        docker("stop", "--time", str(pod()["spec"]["terminationGracePeriodSeconds"]), name)
        assert docker("inspect", "--format", "{{.State.ExitCode}}", name) == "0"
    finally:
        run("docker", "rm", "--force", name)
