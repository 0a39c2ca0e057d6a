import pytest

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
    tools = "pip pip3 uv cc gcc clang make curl wget git"
    assert shell(stack, service, f"command -v {tools} || true") == ""
    for module in ("pip", "ensurepip", "setuptools", "wheel"):
        said = shell(stack, service, f"python -m {module} 2>&1 || true")
        assert said.endswith(f"No module named {module}")


@SERVICES
def test_an_image_holds_no_history_and_no_cache(stack: ComposeStack, service: str) -> None:
    names = "-name '.*_history' -o -name .cache -o -name '.env*'"
    assert shell(stack, service, f"find / -xdev {names} 2>/dev/null || true") == ""


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
