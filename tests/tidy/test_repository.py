import re
from pathlib import Path

import pytest

from tests.tidy.repository import ROOT, name_of, tracked_files

LOCKS = sorted((*ROOT.glob("*/requirements.txt"), *ROOT.glob("*/*/requirements.txt")))
# Written apart, so that this file does not find itself.
REGISTRIES = re.compile(
    "|".join(
        ("py" + r"pi\.org", "python" + "hosted", "npm" + r"js\.(org|com)", "deb" + r"\.debian")
    )
)
THIS_MACHINE = re.compile("|".join(("/ro" + "ot/", "/wo" + "rk/", "/ho" + "me/[a-z]+/")))
SECRETS = re.compile(
    "|".join(
        (
            "-----BEGIN [A-Z ]*PRIVATE " + "KEY-----",
            "AKIA[0-9A-Z]{16}",
            "gh[pousr]_" + "[A-Za-z0-9]{36}",
        )
    )
)


def text_of(path: Path) -> str:
    return path.read_text(errors="ignore")


@pytest.mark.parametrize("unwanted", [REGISTRIES, THIS_MACHINE, SECRETS])
def test_no_file_names_a_registry_or_this_machine_or_holds_a_secret(
    unwanted: re.Pattern[str],
) -> None:
    assert [name_of(path) for path in tracked_files() if unwanted.search(text_of(path))] == []


def locked_versions(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", lock.read_text(), flags=re.MULTILINE))


def test_every_service_has_a_lock() -> None:
    services = {path.parent for path in ROOT.glob("services/*/__main__.py")}
    assert services <= {lock.parent for lock in LOCKS}


@pytest.mark.parametrize("lock", LOCKS, ids=name_of)
def test_every_locked_package_has_hashes_and_no_address(lock: Path) -> None:
    text = lock.read_text()
    packages = re.split(r"^(?=[a-z0-9._-]+==)", text, flags=re.MULTILINE)[1:]
    assert packages
    assert all("--hash=sha256:" in package for package in packages)
    assert "://" not in text


def test_packages_are_installed_by_the_hashes_of_the_locks_alone() -> None:
    makefile = (ROOT / "Makefile").read_text()
    scripts = [makefile, (ROOT / "services/Dockerfile").read_text(), (ROOT / ".ci/run").read_text()]
    joined = "\n".join(scripts).replace("\\\n", " ")
    installs = [line for line in joined.splitlines() if re.search(r"\bpip\b.*\binstall\b", line)]
    assert len(installs) == 2
    assert all("--require-hashes" in line for line in installs), installs
    used = re.findall(r"\$\(PIP_INSTALL\)(.*)", makefile)
    assert used
    # Nothing but locks, each named.
    assert all(
        re.fullmatch(r" (-r \S+requirements\.txt|\$\(addprefix -r ,\$\(RUNTIME_LOCKS\)\))", line)
        for line in used
    ), used


def test_the_locks_come_from_one_resolution() -> None:
    versions: dict[str, set[str]] = {}
    for lock in LOCKS:
        for package, version in locked_versions(lock).items():
            versions.setdefault(package, set()).add(version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


def test_what_the_project_pins_is_what_is_locked() -> None:
    pinned = dict(
        re.findall(r'"([A-Za-z0-9._-]+)==([^"]+)"', (ROOT / "pyproject.toml").read_text())
    )
    locked = {name: version for lock in LOCKS for name, version in locked_versions(lock).items()}
    assert {name.lower(): locked.get(name.lower()) for name in pinned} == {
        name.lower(): version for name, version in pinned.items()
    }


def test_the_top_level_is_as_the_design_says() -> None:
    allowed = {
        "compose.yaml", "compose.embedded.yaml", "pyproject.toml", "Makefile", "README.md",
        "LICENSE", "SECURITY.md", "azure.yaml", "services", "scripts", "tests", "docs", "deploy",
        "orders",
    }  # fmt: skip
    top = {name_of(path).split("/")[0] for path in tracked_files()}
    assert {name for name in top if not name.startswith(".")} <= allowed
