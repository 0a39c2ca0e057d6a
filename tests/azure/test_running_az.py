"""How `az` is run: it asks nobody, it has an end, and whatever it says is told."""

import json
import os
import signal
from contextlib import suppress

import pytest

from scripts.azure import cli
from scripts.azure.cli import Az
from scripts.azure.errors import AzureError
from tests.azure.cloud import OF, UP, Cloud
from tests.azure.test_failures import wait_for

GROUP = ["group", "show", "-n", "rg", "-o", "json"]


@pytest.fixture
def az(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Az:
    """The stand-in, run by this process."""
    monkeypatch.setenv("PATH", str(cloud.folder), prepend=os.pathsep)
    return Az(change_seconds=5)


def test_az_asks_no_question_that_nobody_sees(cloud: Cloud) -> None:
    cloud.fails("group show", "", code=0, out="null", listens=True)
    # What a person has typed ahead is meant for the script.
    assert cloud.run("azure-up", *UP, typed="yes\n").code == 0
    heard = json.loads((cloud.folder / "heard.json").read_text())
    assert heard["typed"] == ""
    # Errors alone, with nothing that a terminal takes for a colour.
    assert heard["environment"]["AZURE_CORE_ONLY_SHOW_ERRORS"] == "1"
    assert heard["environment"]["AZURE_CORE_NO_COLOR"] == "1"
    assert heard["environment"]["AZURE_EXTENSION_USE_DYNAMIC_INSTALL"] == "no"


def test_a_look_has_a_bound_of_its_own(
    cloud: Cloud, az: Az, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "LOOK_SECONDS", 0.5)
    cloud.fails("group show", "", hangs=True)
    with pytest.raises(AzureError, match=r"did not end within 0\.5 s"):
        az.look(GROUP)


def test_an_impatient_second_ctrl_c_leaves_no_az_behind_not_even_one_that_does_not_hear(
    cloud: Cloud,
) -> None:
    cloud.fails("durabletask scheduler create", "", hangs=True, deaf=True)
    process = cloud.start("azure-up", *UP)
    try:
        wait_for(cloud.folder / "hanging", process)
        os.kill(process.pid, signal.SIGINT)
        # az has been told, and has ten seconds for its last words.
        wait_for(cloud.folder / "interrupted", process)
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=30)
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130
    assert "Interrupted while: scheduler sched created." in err
    assert "Done so far: resource group rg created." in err
    assert "Traceback" not in err


def test_what_is_not_there_is_known_by_the_exit_code_whatever_is_said(cloud: Cloud) -> None:
    cloud.fails("durabletask scheduler show", "ERROR: Es gibt sie nicht.\n", code=3)
    ran = cloud.run("azure-status", *OF)
    assert ran.code == 3
    assert "There is none in rg" in ran.out


def test_what_is_no_text_is_told_as_far_as_it_is_one(cloud: Cloud) -> None:
    cloud.fails("group show", "ERROR: caf\udce9 is closed\n")
    ran = cloud.run("azure-up", *UP)
    assert ran.code == 1
    assert "ERROR: caf\ufffd is closed" in ran.err


def test_of_a_long_complaint_the_beginning_is_told(cloud: Cloud) -> None:
    cloud.fails("group show", "".join(f"ERROR: line {number}\n" for number in range(100)))
    ran = cloud.run("azure-up", *UP)
    told = [line.strip() for line in ran.err.splitlines() if "ERROR: line" in line]
    assert told == [f"ERROR: line {number}" for number in range(12)]
