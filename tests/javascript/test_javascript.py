import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from scripts.local_stack import LocalStack

HERE: Final = Path(__file__).parent
PARTS: Final = (".npmrc", "package.json", "package-lock.json", "program.mjs")
TASK_HUB: Final = "javascript"
SECONDS_MAX: Final = 120


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )


def why_not_installed(folder: Path) -> str | None:
    missing = [name for name in ("node", "npm") if shutil.which(name) is None]
    if missing:
        return f"there is no {' and no '.join(missing)}"
    installed = run("npm", "ci", cwd=folder)
    return f"npm ci failed:\n{installed.stderr}" if installed.returncode else None


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory, *, in_ci: bool) -> Path:
    """The program beside the packages that it needs, in a folder of its own."""
    folder = tmp_path_factory.mktemp("javascript")
    for part in PARTS:
        shutil.copy(HERE / part, folder)
    reason = why_not_installed(folder)
    if reason is not None:
        text = f"no JavaScript SDK to test with: {reason}"
        if in_ci:
            pytest.fail(text, pytrace=False)
        pytest.skip(text)
    return folder / "program.mjs"


@pytest.fixture(scope="session")
def endpoint(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:  # noqa: ARG001 - without the program no scheduler is needed
    """A scheduler without workers: the program brings its own."""
    variables = {"DTS_TASK_HUB_NAMES": TASK_HUB}
    logs = tmp_path_factory.mktemp("scheduler")
    with LocalStack(workers=0, logs=logs, environment=variables, usual_ports=False) as stack:
        yield stack.endpoint


@pytest.fixture(scope="session")
def came_to(program: Path, endpoint: str) -> Any:
    """What each orchestration of the program came to, by feature."""
    ran = run("node", program.name, endpoint, TASK_HUB, cwd=program.parent)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_twenty_activities_fan_out_and_their_results_keep_their_order(came_to: Any) -> None:
    assert came_to["fanOut"] == {
        "status": "COMPLETED",
        "output": [number * number for number in range(20)],
    }


def test_a_sub_orchestration_returns_to_its_parent(came_to: Any) -> None:
    assert came_to["subOrchestration"] == {
        "status": "COMPLETED",
        "output": {"greeting": "hello Ada", "squared": 9},
    }


def test_a_timer_fires_no_earlier_than_it_should(came_to: Any) -> None:
    assert came_to["timer"] == {"status": "COMPLETED", "output": {"waited": True}}


def test_events_arrive_early_or_in_time_and_the_custom_status_follows(came_to: Any) -> None:
    assert came_to["externalEvent"] == {
        "whileWaiting": {"waitingFor": "approval"},
        "status": "COMPLETED",
        "output": {"approval": {"by": "Ada"}, "note": ["first", None]},
        "customStatus": {"approvedBy": "Ada"},
    }


def test_an_entity_hears_signals_and_calls_in_order_and_undoes_what_fails(came_to: Any) -> None:
    assert came_to["entity"] == {
        "status": "COMPLETED",
        "output": {
            "signalled": 7,
            "added": 10,
            "failure": "this counter cannot do that",
            "afterwards": 10,
        },
        "state": {"total": 10},
    }


def test_a_critical_section_locks_two_entities(came_to: Any) -> None:
    assert came_to["criticalSection"] == {
        "status": "COMPLETED",
        "output": {"isLocked": True, "left": -4, "arrived": 4, "isLockedAfterwards": False},
    }


def test_a_retry_under_a_new_event_id_succeeds_in_the_end(came_to: Any) -> None:
    assert came_to["retry"] == {"status": "COMPLETED", "output": 3}


def test_an_activity_that_throws_fails_its_orchestration(came_to: Any) -> None:
    assert came_to["failure"] == {
        "status": "FAILED",
        "failure": "Activity task #1 failed: out of range",
    }


def test_each_generation_has_a_child_of_its_own(came_to: Any) -> None:
    assert came_to["continueAsNew"] == {"status": "COMPLETED", "output": [1, 4, 9]}


def test_values_that_look_like_nothing_stay_what_they_are(came_to: Any) -> None:
    assert came_to["emptyValues"] == {
        "status": "COMPLETED",
        "output": {"input": None, "zero": 0, "undefinedResult": None},
        "customStatus": "",
    }
