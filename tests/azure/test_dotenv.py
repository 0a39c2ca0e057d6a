from pathlib import Path

import dotenv as python_dotenv
import pytest

from scripts.azure import dotenv
from scripts.azure.errors import AzureError
from tests.azure.cloud import UP, Cloud
from tests.azure.stand_in import ENDPOINT

VALUES = {"ENDPOINT": ENDPOINT, "TASKHUB": "default"}


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    assert dotenv.write(path, VALUES).changed
    assert path.read_text() == f"ENDPOINT={ENDPOINT}\nTASKHUB=default\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_every_other_line_stays_and_an_old_value_becomes_a_comment(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(
        "# mine\nLOG_LEVEL=debug\nENDPOINT='http://localhost:8080'\n\n  export TASKHUB = old \nX"
    )
    path.chmod(0o640)
    written = dotenv.write(path, VALUES)
    assert path.read_text() == (
        "# mine\nLOG_LEVEL=debug\n# ENDPOINT='http://localhost:8080'\n"
        f"ENDPOINT={ENDPOINT}\n\n# export TASKHUB = old\nTASKHUB=default\nX\n"
    )
    assert written.commented_out == ("ENDPOINT='http://localhost:8080'", "export TASKHUB = old")
    assert path.stat().st_mode & 0o777 == 0o640
    assert python_dotenv.dotenv_values(path)["ENDPOINT"] == ENDPOINT


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\n")
    dotenv.write(path, VALUES)
    first = path.read_text()
    written = dotenv.write(path, VALUES)
    assert (written.changed, written.commented_out) == (False, ())
    assert path.read_text() == first


@pytest.mark.parametrize(
    "text",
    [
        "ENDPOINT=a\nENDPOINT=b\n",
        f"ENDPOINT=a\nENDPOINT={ENDPOINT}\n",
        f"ENDPOINT={ENDPOINT}\nENDPOINT=b\n",
        f'ENDPOINT="{ENDPOINT}"\n',
        "#ENDPOINT=a\n",
        "MY_ENDPOINT=a\n",
    ],
)
def test_whatever_was_there_the_file_says_one_thing_afterwards(tmp_path: Path, text: str) -> None:
    path = tmp_path / ".env"
    path.write_text(text)
    dotenv.write(path, VALUES)
    found = python_dotenv.dotenv_values(path)
    assert {name: found[name] for name in VALUES} == VALUES
    assert dotenv.value_in(path, "ENDPOINT") == ENDPOINT
    active = [line for line in path.read_text().splitlines() if line.startswith("ENDPOINT")]
    assert len(active) == 1


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("A=1\n")
    (tmp_path / ".env").symlink_to(tmp_path / "real")
    dotenv.write(tmp_path / ".env", VALUES)
    assert (tmp_path / ".env").is_symlink()
    assert "TASKHUB=default" in (tmp_path / "real").read_text()


@pytest.mark.parametrize("kind", ["directory", "binary", "nowhere"])
def test_a_file_that_cannot_be_written_is_told_and_left_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / ("missing/.env" if kind == "nowhere" else ".env")
    if kind == "directory":
        path.mkdir()
    if kind == "binary":
        path.write_bytes(b"\xff\xfe")
    with pytest.raises(AzureError, match=r"cannot be (read|written)"):
        dotenv.write(path, VALUES)
    if kind == "binary":
        assert path.read_bytes() == b"\xff\xfe"
    assert list(tmp_path.iterdir()) == ([] if kind == "nowhere" else [path])


def test_azure_up_writes_it_only_when_asked(cloud: Cloud) -> None:
    cloud.run("azure-up", *UP)
    assert not (cloud.folder / "env").exists()
    ran = cloud.run("azure-up", *UP, "--write-env", "env")
    assert ran.code == 0
    assert (cloud.folder / "env").read_text() == f"ENDPOINT={ENDPOINT}\nTASKHUB=default\n"


def test_azure_up_tells_what_it_changed_there_and_what_does_not_fit(cloud: Cloud) -> None:
    path = cloud.folder / "env"
    path.write_text(
        "ENDPOINT=http://localhost:8080\nPAYLOAD_STORE=payloads\nENDPOINT_TOKEN_FILE=/token\n"
    )
    ran = cloud.run(
        "azure-up", *UP, "--write-env", "env", ENDPOINT="http://localhost:1", ENDPOINT_CA="/ca.pem"
    )
    assert "now a comment there: ENDPOINT=http://localhost:8080" in ran.out
    assert "PAYLOAD_STORE=payloads is a directory" in ran.out
    # Each of these would be used in the place of a sign-in.
    assert "ENDPOINT_TOKEN_FILE is set, for a scheduler of your own" in ran.out
    assert "ENDPOINT_CA is set" in ran.out
    assert "ENDPOINT_TOKEN is set" not in ran.out
    assert "ENDPOINT in your environment is another and wins" in ran.out
    again = cloud.run("azure-up", *UP, "--write-env", "env")
    assert "env: has them already" in again.out


def test_azure_up_prints_the_lines_even_where_it_cannot_write_them(cloud: Cloud) -> None:
    ran = cloud.run("azure-up", *UP, "--write-env", "nowhere/env")
    assert ran.code == 1
    assert f"ENDPOINT={ENDPOINT}" in ran.out
    assert "nowhere/env cannot be written: No such file or directory" in ran.err
