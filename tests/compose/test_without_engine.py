import shutil
from pathlib import Path

import pytest

from tests.compose.compose_stack import ROOT, Ran, environment_with, run

SCRIPT = str(ROOT / "scripts" / "compose")
COMMANDS = pytest.mark.parametrize(
    "command",
    ["up", "submit", "scale", "ps", "logs", "down", "clean", "restore", "check-data"],
)


def assert_one_line_points_to_the_demo(ran: Ran) -> None:
    assert ran.code == 1
    assert ran.out == ""
    [line] = ran.err.splitlines()
    assert line.startswith("No Docker engine")
    assert "`make demo`" in line


def fake_docker(folder: Path, *, compose: str, api: str) -> dict[str, str]:
    """An environment whose `docker` says only which versions it has."""
    fake = folder / "docker"
    fake.write_text(
        "#!/bin/sh\n"
        f'case $1 in compose) [ -n "{compose}" ] && echo {compose} ;; *) echo {api} ;; esac\n'
    )
    fake.chmod(0o755)
    path = environment_with()["PATH"]
    return environment_with(PATH=f"{folder}:{path}")


@COMMANDS
def test_without_docker_every_command_says_so_in_a_line(command: str) -> None:
    ran = run(SCRIPT, command, environment=environment_with(PATH="/nowhere"))
    assert_one_line_points_to_the_demo(ran)


@COMMANDS
def test_without_a_daemon_every_command_says_so_in_a_line(command: str, tmp_path: Path) -> None:
    socket = f"unix://{tmp_path}/docker.sock"
    ran = run(SCRIPT, command, environment=environment_with(DOCKER_HOST=socket))
    assert_one_line_points_to_the_demo(ran)


def test_without_compose_a_line_says_so(tmp_path: Path) -> None:
    ran = run(SCRIPT, "up", environment=fake_docker(tmp_path, compose="", api="1.45"))
    assert_one_line_points_to_the_demo(ran)


@pytest.mark.parametrize("version", ["2.24.3", "v2.9.9-desktop.1", "1.29.2"])
def test_a_compose_that_is_too_old_is_named(version: str, tmp_path: Path) -> None:
    ran = run(SCRIPT, "up", environment=fake_docker(tmp_path, compose=version, api="1.45"))
    assert ran.code == 1
    assert ran.err == f"Docker Compose 2.24.4 or newer is needed, this is {version}.\n"


@pytest.mark.parametrize("version", ["2.24.4", "v2.24.10-desktop.1", "2.100.0+dfsg-1", "5.0.0"])
def test_a_compose_that_is_new_enough_is_not_refused(version: str, tmp_path: Path) -> None:
    ran = run(SCRIPT, "up", environment=fake_docker(tmp_path, compose=version, api="1.43"))
    assert ran.err == "Docker Engine 25 or newer is needed; the API of this one is 1.43.\n"


def test_an_unknown_command_is_answered_with_the_known_ones() -> None:
    ran = run(SCRIPT, "start")
    assert ran.code == 2
    known = "up|submit|scale|ps|logs|down|clean|backup|restore|check-data"
    assert ran.err == f"usage: scripts/compose {known}\n"


@pytest.mark.parametrize("command", ["backup", "restore", "check-data", "clean"])
def test_what_a_person_lays_over_the_files_counts_where_the_data_is_kept(
    command: str, tmp_path: Path
) -> None:
    """An override may put the data elsewhere: `up` uses it, and so must whoever looks after it."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    (tmp_path / "compose.override.yaml").touch()
    (tmp_path / "restored").touch()
    environment = fake_docker(tmp_path, compose="2.24.4", api="1.44")
    fake = tmp_path / "docker"
    note = 'echo "$COMPOSE_FILE" >>ran'
    fake.write_text(f'{fake.read_text()}case "$*" in *\\ run\\ * | *\\ down\\ *) {note} ;; esac\n')
    name = "restored" if command == "restore" else "made"
    ran = run(
        str(tmp_path / "scripts" / "compose"), command, environment=environment | {"FILE": name},
        cwd=tmp_path,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    used = (tmp_path / "ran").read_text()
    assert used == "compose.yaml,compose.embedded.yaml,compose.override.yaml\n"
