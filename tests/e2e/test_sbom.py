"""`make sbom`: what it writes names all that an image installs."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.local_stack import ROOT

SERVICES = ["client", "dashboard", "scheduler", "worker"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, *, in_ci: bool) -> Path:
    """The documents, as `make sbom` writes them: it holds each against the schema itself."""
    if importlib.util.find_spec("cyclonedx") is None:
        text = "cyclonedx-bom is not installed: make .venv/.sbom"
        if in_ci:
            pytest.fail(text, pytrace=False)
        pytest.skip(text)
    folder = tmp_path_factory.mktemp("sbom")
    ran = subprocess.run(
        [sys.executable, "-m", "scripts.sbom", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return folder


def test_there_is_one_for_every_service(folder: Path) -> None:
    assert sorted(file.stem for file in folder.iterdir()) == SERVICES


@pytest.mark.parametrize("service", SERVICES)
def test_it_names_every_package_of_the_lock_with_its_hashes(folder: Path, service: str) -> None:
    document = json.loads((folder / f"{service}.json").read_text())
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert document["metadata"]["component"]["name"] == f"durable-task-home-{service}"
    lock = (ROOT / "services" / service / "requirements.txt").read_text()
    locked = dict(
        re.findall(r"^([A-Za-z0-9._-]+)(?:\[.*\])?==([^ ;\\]+)", lock, flags=re.MULTILINE)
    )
    assert locked
    assert {part["name"]: part["version"] for part in document["components"]} == locked
    named = {
        found["content"]
        for part in document["components"]
        for reference in part.get("externalReferences", [])
        for found in reference.get("hashes", [])
    }
    assert named == set(re.findall(r"sha256:([0-9a-f]{64})", lock))
