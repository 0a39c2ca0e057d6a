import json
import re

import pytest

from tests.unit.dashboard.scheduler import Scheduler, orchestration, page_of

LIST = "/hubs/default/orchestrations"
QUERY = "/orchestrations/query"
EVIL = "<script>alert(1)</script>"
HUB = {"name": "default", "counts": {"roots": {"total": 3}}, "workers": 1}


def listing(**changes: object) -> Scheduler:
    return Scheduler({QUERY: page_of(orchestration(**changes)), "": {"taskHubs": [HUB]}})


def test_the_start_page_is_the_list_of_the_first_task_hub() -> None:
    answer = Scheduler().ask("/")
    assert (answer.status_code, answer.headers["location"]) == (302, LIST)


def test_the_list_comes_with_its_rows() -> None:
    answer = listing().ask(LIST)
    assert answer.status_code == 200
    assert 'data-id="orders-1"' in answer.text
    assert "3 orchestrations · 1 worker" in answer.text


@pytest.mark.parametrize("field", ["instanceId", "name", "version", "error", "customStatus"])
def test_what_an_orchestration_wrote_stays_text(field: str) -> None:
    text = listing(**{field: EVIL}).ask(LIST).text
    assert EVIL not in text
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize("field", ["instanceId", "name", "version", "customStatus", "tags"])
def test_the_page_of_an_instance_escapes_it_too(field: str) -> None:
    value = {EVIL: EVIL} if field == "tags" else EVIL
    scheduler = Scheduler({"/orchestrations/x": orchestration(**{field: value})})
    text = scheduler.ask(f"{LIST}/x").text
    assert EVIL not in text
    assert "&lt;script&gt;" in text


def test_a_page_holds_neither_inline_scripts_nor_inline_styles() -> None:
    scheduler = listing()
    scheduler.answers["/orchestrations/x"] = orchestration()
    for path in (LIST, f"{LIST}/x"):
        text = scheduler.ask(path).text
        assert re.findall(r"<script(?![^>]* src=)|<style| style=| on[a-z]+=", text) == []


@pytest.mark.parametrize(
    "path", [LIST, "/static/js/html.js", "/nowhere", "/hubs/default/api/no", "/healthz"]
)
@pytest.mark.parametrize(
    "asking",
    [{}, {"origin": "http://evil.example.com"}, {"host": "evil.example.com"}],
    ids=["a person", "another site", "a name that is not ours"],
)
def test_every_answer_carries_the_security_headers(path: str, asking: dict[str, str]) -> None:
    headers = listing().ask(path, headers=asking).headers
    directives = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    # Scripts and styles of ours alone, none inline; nothing goes elsewhere, and nobody frames us.
    assert directives == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    # No other site's page reads what we answer.
    assert not [name for name in headers if name.startswith("access-control-")]


def test_pages_are_not_kept_and_files_are_asked_for_again() -> None:
    scheduler = listing()
    assert scheduler.ask(LIST).headers["cache-control"] == "no-store"
    file = scheduler.ask("/static/js/html.js")
    assert file.headers["cache-control"] == "no-cache"
    known = {"if-none-match": file.headers["etag"]}
    assert scheduler.ask("/static/js/html.js", headers=known).status_code == 304


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example.com"},
        {"origin": "http://evil.example.com"},
        {"sec-fetch-site": "cross-site"},
    ],
)
def test_another_sites_page_changes_nothing(headers: dict[str, str]) -> None:
    scheduler = listing()
    path = "/hubs/default/api/orchestrations/x"
    assert scheduler.ask(path, "DELETE", headers).status_code == 403
    assert scheduler.asked == []


def test_a_part_is_the_changing_region_alone_and_has_the_schedulers_etag() -> None:
    scheduler = listing()
    part = scheduler.ask(LIST, headers={"x-partial": "1"})
    assert "<html" not in part.text
    assert 'data-id="orders-1"' in part.text
    known = {"x-partial": "1", "if-none-match": part.headers["etag"]}
    assert scheduler.ask(LIST, headers=known).status_code == 304
    assert scheduler.asked[-1].headers["if-none-match"] == scheduler.etag


def test_an_etag_of_another_dashboard_is_not_asked_with() -> None:
    scheduler = listing()
    known = {"x-partial": "1", "if-none-match": 'W/"00000000.%227%22"'}
    assert scheduler.ask(LIST, headers=known).status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        (f"{LIST}?status=done", 400, "status=&#39;done&#39; in the address"),
        (f"{LIST}/x?tab=nothing", 400, "tab=&#39;nothing&#39; in the address"),
        (f"{LIST}/missing", 404, "There is no /orchestrations/missing"),
        ("/hubs/default/entities/%40a%40b", 404, "There is no /entities/%40a%40b"),
        ("/hubs/a%2Fb/workers", 404, "Task hub not found: a/b"),
        ("/nowhere", 404, "There is no such page"),
    ],
)
def test_an_address_that_leads_nowhere_says_so_and_shows_a_way_out(
    path: str, status: int, told: str
) -> None:
    answer = listing().ask(path)
    assert answer.status_code == status
    assert told in answer.text
    assert 'class="button primary" href="/hubs/default/' in answer.text


def test_without_a_scheduler_a_page_still_comes_and_says_so() -> None:
    answer = Scheduler(is_away=True).ask(LIST)
    assert answer.status_code == 503
    assert "http://scheduler:8081 cannot be reached" in answer.text
    assert "data-cold" in answer.text


def test_a_part_without_a_scheduler_is_an_error_of_the_api() -> None:
    answer = Scheduler(is_away=True).ask(LIST, headers={"x-partial": "1"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "UNAVAILABLE")


def test_an_answer_that_makes_no_sense_is_an_error_of_the_dashboard() -> None:
    answer = Scheduler({QUERY: {}}).ask(LIST)
    assert answer.status_code == 500
    assert "Traceback" not in answer.text
    assert "content-security-policy" in answer.headers


@pytest.mark.parametrize(
    ("sought", "exists", "address"),
    [
        ("orders-1", True, f"{LIST}/orders-1"),
        ("orders", False, f"{LIST}?prefix=orders&sub=1&sought=1"),
        ("a/b?", True, f"{LIST}/a%2Fb%3F"),
        ("@a@b", True, "/hubs/default/entities/%40a%40b"),
        ("@a", False, "/hubs/default/entities?prefix=%40a"),
        (" ", False, LIST),
    ],
)
def test_an_id_that_was_typed_leads_to_its_page_or_to_ids_like_it(
    sought: str, address: str, *, exists: bool
) -> None:
    encoded = re.sub("[^a-z0-9-]", lambda found: f"%{ord(found[0]):02X}", sought)
    kind = "entities" if sought.startswith("@") else "orchestrations"
    scheduler = Scheduler({f"/{kind}/{encoded}": {}} if exists else {})
    answer = scheduler.ask(f"/hubs/default/open?id={encoded}")
    assert (answer.status_code, answer.headers["location"]) == (303, address)


def test_work_that_no_worker_accepts_is_a_warning() -> None:
    item = {"kind": "activity", "name": "charge", "version": None, "count": 14, "isAccepted": False}
    scheduler = Scheduler({"/workers": {"workers": [], "waiting": [item]}})
    text = scheduler.ask("/hubs/default/workers").text
    assert "Work that no worker accepts" in text
    assert re.search("<b>charge</b> . 14", text)


def test_the_dashboards_own_health_needs_no_scheduler() -> None:
    assert Scheduler(is_away=True).ask("/healthz").status_code == 204


def test_a_file_comes_packed_to_whoever_unpacks_it() -> None:
    scheduler = Scheduler()
    packed = scheduler.ask("/static/css/base.css", headers={"accept-encoding": "gzip"})
    plain = scheduler.ask("/static/css/base.css", headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.text == plain.text


@pytest.mark.parametrize("path", ["../settings.py", "%2e%2e/settings.py", "css", "no.js", "js/"])
def test_no_address_leads_to_another_file(path: str) -> None:
    assert Scheduler().ask(f"/static/{path}").status_code == 404


def test_what_is_pending_has_lasted_for_no_time() -> None:
    text = listing(status="ORCHESTRATION_STATUS_PENDING", completedAt=None).ask(LIST).text
    assert "data-since" not in text


@pytest.mark.parametrize("instance_id", [".", ".."])
def test_an_id_that_paths_fold_away_is_told_to_be_one(instance_id: str) -> None:
    answer = Scheduler().ask(f"/hubs/default/open?id={instance_id}")
    assert answer.status_code == 400
    assert "cannot be opened" in answer.text


def test_an_answer_says_what_time_it_is() -> None:
    assert re.fullmatch(r"[\d-]+T[\d:]+\.\d{3}Z", listing().ask(LIST).headers["x-now"])


def test_a_way_that_is_not_offered_is_told_with_those_that_are() -> None:
    answer = Scheduler().ask("/hubs/api/orchestrations", "POST")
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}
    assert answer.headers["content-type"].startswith("text/html")


def test_a_probe_may_call_us_by_any_name_and_a_browser_may_not() -> None:
    named = {"host": "probe.example.net"}
    assert Scheduler().ask("/healthz", headers=named).status_code == 204
    assert Scheduler().ask("/", headers=named).status_code == 403


def test_names_that_were_left_out_are_counted() -> None:
    scheduler = Scheduler({"/workers": {"workers": [], "waiting": [], "waitingMore": 1_234}})
    assert "1,234 more names" in scheduler.ask("/hubs/default/workers").text


def test_an_id_is_looked_for_as_it_was_typed_first() -> None:
    scheduler = Scheduler({"/orchestrations/%20q": {}, "/orchestrations/q": {}})
    answer = scheduler.ask("/hubs/default/open?id=%20q")
    assert answer.headers["location"] == f"{LIST}/%20q"


def test_a_file_is_the_same_packed_or_not() -> None:
    assert Scheduler().ask("/static/css/base.css").headers["etag"].startswith('W/"')


def test_an_entity_that_only_waits_is_listed() -> None:
    found = {"entities": [], "totalCount": 0, "totalIsExact": True, "nextCursor": None}
    scheduler = Scheduler({"/entities/query": found})
    assert scheduler.ask("/hubs/default/entities").status_code == 200
    [asked] = [one for one in scheduler.asked if one.path == "/entities/query"]
    assert json.loads(asked.body)["filter"] == {"includeTransient": True}


@pytest.mark.parametrize(("size", "says"), [(2048, "2,048 B, "), (None, "where it is missing")])
def test_a_state_in_the_payload_store_is_a_token_with_a_way_to_what_it_stands_for(
    size: int | None, says: str
) -> None:
    token = f"file:v1:{'0a' * 32}"
    entity = {
        "instanceId": "@cell@a",
        "name": "cell",
        "key": "a",
        "lastModifiedAt": "2026-03-01T12:00:00.000000Z",
        "backlogQueueSize": 0,
        "lockedBy": None,
        "stateBytes": len(token),
        "state": token,
        "stored": {"state": size},
        "queue": [],
    }
    scheduler = Scheduler({"/entities/%40cell%40a": entity, "": {"taskHubs": [HUB]}})
    text = scheduler.ask("/hubs/default/entities/%40cell%40a").text
    assert token in text
    assert says in text
    link = f"/hubs/default/api/payloads/file%3Av1%3A{'0a' * 32}"
    assert (link in text) is (size is not None)
    without = entity | {"state": "7"}
    del without["stored"]
    scheduler = Scheduler({"/entities/%40cell%40a": without, "": {"taskHubs": [HUB]}})
    assert "payload store" not in scheduler.ask("/hubs/default/entities/%40cell%40a").text
