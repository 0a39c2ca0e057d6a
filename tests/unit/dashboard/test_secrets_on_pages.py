"""No page tells a secret: neither the dashboard's own token, nor what stands in others' errors."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from services.shared.bearer import TokenSource
from tests.tidy.repository import ROOT
from tests.unit.dashboard.scheduler import Scheduler, orchestration, page_of
from tests.unit.test_secrets import SECRET, TEXTS

HUB = {"name": "default", "counts": {"roots": {"total": 3}}, "workers": 1}
FOUND = {"entities": [], "totalCount": 0, "totalIsExact": True, "nextCursor": None}
ANSWERS = {
    "": {"taskHubs": [HUB]},
    "/orchestrations/query": page_of(orchestration()),
    "/orchestrations/x": orchestration(),
    "/entities/query": FOUND,
    "/workers": {"workers": [], "waiting": []},
}
PAGES = [
    "/",
    "/nowhere",
    "/hubs/default/orchestrations",
    "/hubs/default/orchestrations?status=none",
    "/hubs/default/orchestrations/x",
    "/hubs/default/orchestrations/missing",
    "/hubs/default/open?id=x",
    "/hubs/default/entities",
    "/hubs/default/entities/%40a%40b",
    "/hubs/default/workers",
    "/hubs/default/api/orchestrations/x",
]
# The secret as a setting that the dashboard, or a process beside it, is started with.
SETTINGS = {
    "ENDPOINT_TOKEN": SECRET,
    "PAYLOAD_STORE": f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={SECRET}==",
    "OTEL_EXPORTER_OTLP_HEADERS": f"api-key={SECRET}",
}


def assert_nothing_is_told(answer: httpx.Response) -> None:
    told = answer.text + repr(answer.headers.multi_items())
    assert SECRET not in told


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("partial", [{}, {"x-partial": "1"}], ids=["page", "part"])
def test_the_dashboards_own_token_and_the_settings_beside_it_stand_on_no_page(
    path: str, partial: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    refusing: dict[str, object] = {sought: (401, {}) for sought in ANSWERS}
    broken = httpx.ReadError(f"GET http://scheduler with authorization: Bearer {SECRET}")
    for scheduler in (
        Scheduler(ANSWERS),
        Scheduler(refusing),
        Scheduler(is_away=True),
        Scheduler(breaks=broken),
    ):
        scheduler.token = TokenSource(SECRET)
        assert_nothing_is_told(scheduler.ask(path, headers=partial))
        for asked in scheduler.asked:
            assert asked.headers["authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("partial", [{}, {"x-partial": "1"}], ids=["page", "part"])
def test_what_stands_in_the_error_of_another_is_told_without_its_secrets(
    text: str, partial: dict[str, str]
) -> None:
    error = (500, {"error": {"code": "INTERNAL", "message": f"It failed: {text}"}})
    scheduler = Scheduler(dict.fromkeys(ANSWERS, error))
    for path in ("/hubs/default/orchestrations", "/hubs/default/workers"):
        answer = scheduler.ask(path, headers=partial)
        assert answer.status_code == 500
        assert "It failed: " in answer.text
        assert_nothing_is_told(answer)


def test_a_token_file_that_is_none_is_told_without_what_it_holds(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{SECRET} and more")
    scheduler = Scheduler(ANSWERS, token=TokenSource(None, file))
    answer = scheduler.ask("/hubs/default/orchestrations")
    assert answer.status_code == 502
    assert str(file) in answer.text
    assert_nothing_is_told(answer)


def test_a_token_that_is_none_is_not_repeated_to_whoever_starts_the_dashboard() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "services.dashboard"],
        cwd=ROOT,
        env={"ENDPOINT_TOKEN": f"{SECRET} and more", "LOG_LEVEL": "debug"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 2
    assert "ENDPOINT_TOKEN" in ended.stderr
    assert SECRET not in ended.stdout + ended.stderr
