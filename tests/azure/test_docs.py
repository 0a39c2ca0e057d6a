import re
import shlex
from pathlib import Path

import pytest

from scripts.azure import commands
from scripts.local_stack import ROOT
from services.client.settings import ClientSettings
from services.shared.environment import Environment
from services.worker.settings import WorkerSettings
from tests.azure.cloud import Cloud
from tests.azure.test_bicep import PARAMETERS

PAGE = (ROOT / "docs" / "azure.md").read_text()
README = (ROOT / "README.md").read_text()
COMMANDS = [
    line
    for text in (README, PAGE)
    for block in re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
OURS = sorted({line for line in COMMANDS if line.startswith("scripts/azure-")})


@pytest.mark.parametrize("line", OURS)
def test_every_command_of_ours_is_one_that_can_be_typed(cloud: Cloud, line: str) -> None:
    script, *arguments = shlex.split(line, comments=True)
    ran = cloud.run(script.removeprefix("scripts/"), *arguments, "--dry-run")
    assert ran.code == 0, ran.err


def test_the_page_shows_each_script_and_every_option_of_theirs() -> None:
    assert {line.split()[0] for line in OURS} == {
        "scripts/azure-up", "scripts/azure-down", "scripts/azure-status",
    }  # fmt: skip
    source = "".join((ROOT / "scripts/azure" / f"{name}.py").read_text() for name in ("up", "down"))
    options = set(re.findall(r'"(--[a-z-]+)"', source)) - {"--name"}
    told = {"--assignee"}  # in the advice of the step that needs it
    assert {option for option in options - told if option not in PAGE} == set()


def test_every_file_and_link_that_the_page_names_is_there() -> None:
    links = re.findall(r"\]\(([a-z][a-z-]*\.md)(?:#([a-z-]+))?\)", PAGE)
    assert links
    for name, anchor in links:
        text = (ROOT / "docs" / name).read_text()
        titles = {
            title.lower().replace(" ", "-")
            for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        }
        assert not anchor or anchor in titles
    for path in re.findall(r"`((?:deploy|services|scripts)/[A-Za-z0-9_./-]+)`", PAGE):
        assert (ROOT / path).exists(), path
    assert (ROOT / "docs/azure.md").as_posix().endswith(re.findall(r"docs/azure\.md", README)[0])


def test_every_variable_that_the_page_names_is_one_of_a_service_or_of_the_deployment() -> None:
    environment = Environment({})
    WorkerSettings.read(environment)
    ClientSettings.read(environment)
    deployment = re.findall(r"\$\{([A-Z_]+)", str(PARAMETERS))
    example = re.findall(
        r"^#? ?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE
    )
    known = {*environment.names, *deployment, *example, "ARGS", "LOCAL", "SERVICE"}
    named = set(re.findall(r"`([A-Z][A-Z0-9]*_[A-Z0-9_]+|ENDPOINT|TASKHUB)[`=]", PAGE))
    assert named
    assert named - known == set()


def test_the_page_says_the_role_and_the_dashboards_address_as_the_scripts_do() -> None:
    page = " ".join(PAGE.split())
    assert f"*{commands.ROLE}*" in page
    assert commands.dashboard_of("ENDPOINT", "TASKHUB") in page


def test_the_federated_credential_is_for_the_account_of_the_manifests() -> None:
    folder = ROOT / "deploy" / "kubernetes"
    [subject] = re.findall(r"--subject (system:serviceaccount:\S+)", PAGE)
    namespace = re.findall(
        r"^namespace: (\S+)$", text_of(folder / "kustomization.yaml"), re.MULTILINE
    )[0]
    name = re.findall(r"^  name: (\S+)$", text_of(folder / "serviceaccount.yaml"), re.MULTILINE)[0]
    assert subject == f"system:serviceaccount:{namespace}:{name}"


def text_of(path: Path) -> str:
    return path.read_text()
