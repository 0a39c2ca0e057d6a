import re

import pytest

from services.shared.secrets import without_secrets
from tests.compose.compose_stack import ComposeStack, docker, inspect

SERVICES = pytest.mark.parametrize("service", ["worker", "client", "scheduler", "dashboard"])
# What an entry point loads only once its settings are good.
LOADED = {"dashboard": "services.dashboard.server"}
HARDENED = ("--rm", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges:true")


def shell(stack: ComposeStack, service: str, script: str) -> str:
    image = f"{stack.project}/{service}"
    return docker("run", *HARDENED, "--entrypoint", "sh", image, "-c", script)


@SERVICES
def test_a_service_is_the_first_process_and_nobody_special(
    stack: ComposeStack, service: str
) -> None:
    config = inspect("image", f"{stack.project}/{service}")["Config"]
    assert config["Entrypoint"] == ["python", "-m", f"services.{service}"]
    assert config["User"] == "10001:10001"
    assert {"RUNS_IN_CONTAINER=1", "PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1"} <= set(
        config["Env"]
    )


@SERVICES
def test_an_image_holds_its_own_service_and_no_other(stack: ComposeStack, service: str) -> None:
    assert shell(stack, service, "ls services").split() == [
        "__init__.py",
        "__pycache__",
        *sorted([service, "shared"]),
    ]


@SERVICES
def test_an_image_holds_no_installer_and_no_compiler(stack: ComposeStack, service: str) -> None:
    tools = "pip pip3 uv cc c++ cpp gcc g++ clang tcc as ld go rustc make cmake curl wget git ssh"
    # One at a time: the image's shell looks for the first name only.
    each = f"for tool in {tools}; do command -v $tool || true; done"
    assert shell(stack, service, each) == ""
    named = "-name '*-gcc*' -o -name '*-g++*' -o -name 'clang*' -o -name cc1"
    assert shell(stack, service, f"find / -xdev -type f '(' {named} ')' 2>/dev/null || true") == ""
    # The service's own Python, and the one under it, which has packages of its own.
    for python in ("python", "/usr/local/bin/python"):
        for module in ("pip", "ensurepip", "setuptools", "wheel"):
            said = shell(stack, service, f"{python} -m {module} 2>&1 || true")
            assert said.endswith(f"No module named {module}")


@SERVICES
def test_an_image_holds_no_history_no_cache_and_no_key(stack: ComposeStack, service: str) -> None:
    """Looked for by root: its own folder is closed to the service."""
    names = "-name '.*_history' -o -name .cache -o -name '.env*' -o -name .git -o -name '*.whl'"
    keys = "-name '*.key' -o -name 'id_*sa' -o -name .netrc -o -name .pypirc -o -name .npmrc"
    image = f"{stack.project}/{service}"
    find = f"find / -xdev -not -path '/proc/*' '(' {names} -o {keys} ')' 2>/dev/null || true"
    as_root = ("--user=0:0", "--entrypoint", "sh")
    assert docker("run", *HARDENED, *as_root, image, "-c", find) == ""
    # Whatever its file is called: certificates have the same endings.
    # In brackets, so that this file holds no mark of a key.
    inside = "^-----BEGIN [A-Z ]*PRIVATE KE[Y]-----"
    grep = f"grep -rIlE --exclude-dir=proc --exclude-dir=sys -e '{inside}' / 2>/dev/null || true"
    assert docker("run", *HARDENED, *as_root, image, "-c", grep) == ""


@SERVICES
def test_an_image_tells_nothing_of_where_and_how_it_was_built(
    stack: ComposeStack, service: str
) -> None:
    image = f"{stack.project}/{service}"
    variables = dict(entry.split("=", 1) for entry in inspect("image", image)["Config"]["Env"])
    of_python = {"PATH", "LANG", "GPG_KEY", "PYTHON_VERSION", "PYTHON_SHA256"}
    ours = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "RUNS_IN_CONTAINER"}
    own = {"SCHEDULER_HOST", "SCHEDULER_DATA_DIR", "DASHBOARD_HOST", "WORKER_METRICS_HOST"}
    assert set(variables) - of_python - ours - own == set()
    steps = docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", image)
    assert re.findall(r"(?i)secret|password|token|credential|index-url|_proxy", steps) == []
    assert without_secrets(steps) == steps


@SERVICES
def test_data_and_payloads_are_their_services_alone(stack: ComposeStack, service: str) -> None:
    said = shell(stack, service, "stat -c '%n %a %u:%g' /data /payloads 2>/dev/null || true")
    payloads = [] if service == "dashboard" else ["/payloads 700 10001:10001"]
    data = ["/data 700 10001:10001"] if service == "scheduler" else []
    assert said.splitlines() == data + payloads


def test_volumes_in_use_are_their_services_alone(stack: ComposeStack) -> None:
    [scheduler] = stack.containers("scheduler")
    listed = "stat -c '%a' /data /payloads; stat -c '%a' /data/*.db*"
    assert docker("exec", scheduler, "sh", "-c", listed).split() == ["700", "700"] + ["600"] * 3


@SERVICES
def test_everything_is_compiled_beforehand(stack: ComposeStack, service: str) -> None:
    loaded = LOADED.get(service, "durabletask.client")
    program = (
        f"import os, sys, services.{service}.__main__, {loaded}\n"
        "for module in list(sys.modules.values()):\n"
        "    cached = getattr(module, '__cached__', None)\n"
        "    if cached and not os.path.exists(cached): print(module.__name__)\n"
    )
    image = f"{stack.project}/{service}"
    assert docker("run", *HARDENED, "--entrypoint", "python", image, "-c", program) == ""


@SERVICES
def test_nothing_of_an_image_can_be_changed_by_its_service(
    stack: ComposeStack, service: str
) -> None:
    image = f"{stack.project}/{service}"
    writable = "find / -xdev -writable -not -type l -not -path '/proc/*' -not -path '/tmp*'"
    found = docker(
        "run", "--rm", "--entrypoint", "sh", image, "-c", f"{writable} 2>/dev/null || true"
    )
    allowed = {"/data"} if service == "scheduler" else set()
    allowed |= set() if service == "dashboard" else {"/payloads"}
    world = {"/var/tmp", "/run/lock", "/var/lock", "/dev/shm", "/dev/mqueue"}  # noqa: S108 - the image's own
    assert set(found.split()) - world == allowed
    ours = "find /app /venv /usr/local -perm /6000 -type f"
    assert shell(stack, service, ours) == "", "runs as another user, whoever starts it"


def test_the_dashboards_image_holds_all_of_its_pages(stack: ComposeStack) -> None:
    package = stack.root / "services" / "dashboard"
    wanted = {
        path.relative_to(stack.root).as_posix()
        for folder in ("static", "templates")
        for path in (package / folder).rglob("*")
        if path.is_file()
    }
    there = "find services/dashboard/static services/dashboard/templates -type f"
    assert set(shell(stack, "dashboard", there).split()) == wanted
