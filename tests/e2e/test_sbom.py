"""`make sbom`: what it writes names all that an image installs."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from scripts.local_stack import ROOT

SERVICES = ["client", "dashboard", "scheduler", "worker"]


def _written(folder: Path, *, checkout: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts.sbom", str(folder)],
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, *, in_ci: bool) -> Path:
    """The documents, as `make sbom` writes them: it holds each against the schema itself."""
    if importlib.util.find_spec("cyclonedx") is None:
        text = "cyclonedx-bom is not installed: make .venv/.sbom"
        if in_ci:
            pytest.fail(text, pytrace=False)
        pytest.skip(text)
    folder = tmp_path_factory.mktemp("sbom")
    ran = _written(folder, checkout=ROOT)
    assert ran.returncode == 0, ran.stderr
    return folder


def test_there_is_one_for_every_service(folder: Path) -> None:
    assert sorted(file.stem for file in folder.iterdir()) == SERVICES


@pytest.mark.parametrize("service", SERVICES)
def test_it_names_every_package_of_the_lock_with_its_hashes(folder: Path, service: str) -> None:
    document = json.loads((folder / f"{service}.json").read_text())
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    lock = (ROOT / "services" / service / "requirements.txt").read_text()
    locked = dict(
        re.findall(r"^([A-Za-z0-9._-]+)(?:\[.*\])?==([^ ;\\]+)", lock, flags=re.MULTILINE)
    )
    assert locked
    assert {part["name"]: part["version"] for part in document["components"]} == locked
    assert len(document["components"]) == len(locked)
    named = {
        found["content"]
        for part in document["components"]
        for reference in part.get("externalReferences", [])
        for found in reference.get("hashes", [])
    }
    assert named == set(re.findall(r"sha256:([0-9a-f]{64})", lock))


@pytest.mark.parametrize("service", SERVICES)
def test_it_says_what_it_is_of_and_is_the_same_each_time(folder: Path, service: str) -> None:
    document = json.loads((folder / f"{service}.json").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    component = document["metadata"]["component"]
    assert component["name"] == f"durable-task-home-{service}"
    assert component["version"] == project["version"]
    assert component["licenses"] == [{"license": {"id": project["license"]}}]
    assert "serialNumber" not in document
    assert "timestamp" not in document["metadata"]


@pytest.mark.parametrize(
    ("lock", "license_id", "told"),
    [
        (b"\x81\x8d\x8f not text", "MIT", "no bill of materials of "),
        (b"", "no licence that is known", "the bill of materials of worker is not valid: "),
    ],
    ids=["a lock that cannot be read", "a document that is not valid"],
)
def test_where_one_cannot_be_made_it_is_told_and_not_written(
    folder: Path, tmp_path: Path, lock: bytes, license_id: str, told: str
) -> None:
    assert folder.is_dir()
    shutil.copytree(ROOT / "scripts" / "sbom", tmp_path / "scripts" / "sbom")
    text = (ROOT / "pyproject.toml").read_text()
    project = tomllib.loads(text)["project"]
    changed = text.replace(f'license = "{project["license"]}"', f'license = "{license_id}"')
    (tmp_path / "pyproject.toml").write_text(changed)
    (tmp_path / "services" / "worker").mkdir(parents=True)
    (tmp_path / "services" / "worker" / "requirements.txt").write_bytes(lock)
    ran = _written(tmp_path / "sbom", checkout=tmp_path)
    assert ran.returncode == 1
    assert ran.stderr.startswith(told)
    assert list((tmp_path / "sbom").iterdir()) == []
