import httpx
import pytest

from services.dashboard.proxy import BODY_BYTES_MAX, is_allowed
from tests.unit.dashboard.scheduler import Scheduler

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/orchestrations/query"),
        ("GET", "/orchestrations/a%2Fb"),
        ("DELETE", "/orchestrations/a"),
        ("GET", "/orchestrations/a/executions/e/history/12"),
        ("GET", "/orchestrations/..%2Fworkers"),
        ("POST", "/entities/%40a%40b/signal"),
        ("GET", "/workers"),
        ("GET", f"/payloads/file%3Av1%3A{'0a' * 32}"),
    ],
)
def test_what_the_page_needs_is_passed_on(method: str, path: str) -> None:
    assert is_allowed(method, path)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/workers"),
        ("PUT", "/orchestrations/a"),
        ("GET", "/orchestrations"),
        ("GET", "/orchestrations/.."),
        ("GET", "/orchestrations/../payloads"),
        ("GET", "/orchestrations/a/b"),
        ("GET", "/ping"),
        ("GET", "/payloads/file%3Av1%3A..%2F..%2Fsecret"),
        ("DELETE", f"/payloads/file%3Av1%3A{'0a' * 32}"),
        ("GET", "/../../metrics"),
        ("GET", "/orchestrations/a/executions/e/history/x"),
    ],
)
def test_nothing_else_is(method: str, path: str) -> None:
    assert not is_allowed(method, path)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/workers"),
        ("GET", "/orchestrations"),
        ("POST", "/orchestrations/a"),
        ("GET", "/ping"),
        ("GET", "/orchestrations/%2e%2e"),
        ("GET", "/..%2F..%2Fmetrics"),
        ("GET", "/payloads/file%3Av1%3A..%2F..%2Fsecret"),
        ("DELETE", "/"),
    ],
)
def test_nothing_else_reaches_the_scheduler(method: str, path: str) -> None:
    scheduler = Scheduler({path: {"reached": True}})
    answer = scheduler.ask(f"/hubs/default/api{path}", method)
    assert (answer.status_code, scheduler.asked) == (404, [])
    assert "reached" not in answer.text


def test_a_call_keeps_its_encoding_its_query_and_its_task_hub() -> None:
    scheduler = Scheduler({"/orchestrations/a%2Fb%3F/payloads": {"input": "1"}})
    answer = scheduler.ask("/hubs/orders/api/orchestrations/a%2Fb%3F/payloads?x=%2F")
    assert answer.json() == {"input": "1"}
    (asked,) = scheduler.asked
    assert asked.query == "x=%2F"
    assert asked.headers["x-taskhub"] == "orders"


def test_etags_pass_both_ways_and_other_headers_do_not() -> None:
    scheduler = Scheduler({"/workers": {}})
    answer = scheduler.ask("/hubs/default/api/workers", headers={"cookie": "a=b"})
    assert answer.headers["etag"] == '"7"'
    assert not {"set-cookie", "x-secret"} & set(answer.headers)
    assert "cookie" not in scheduler.asked[0].headers
    again = scheduler.ask("/hubs/default/api/workers", headers={"if-none-match": '"7"'})
    assert (again.status_code, again.content) == (304, b"")


def test_an_error_passes_as_the_scheduler_says_it() -> None:
    error = {"error": {"code": "FAILED_PRECONDITION", "message": "It runs"}}
    scheduler = Scheduler({"/orchestrations/a": (409, error)})
    answer = scheduler.ask("/hubs/default/api/orchestrations/a", "DELETE")
    assert (answer.status_code, answer.json()) == (409, error)


def test_a_dashboard_that_is_not_let_in_asks_no_browser_to_prove_anything() -> None:
    refused = (401, {"error": {"code": "UNAUTHENTICATED", "message": "The token is not known"}})
    answer = Scheduler({"/workers": refused}).ask("/hubs/default/api/workers")
    assert answer.status_code == 502
    assert "does not let the dashboard in" in answer.json()["error"]["message"]
    assert "www-authenticate" not in answer.headers


def test_a_scheduler_that_is_away_is_told_as_unavailable() -> None:
    answer = Scheduler(is_away=True).ask("/hubs/default/api/workers")
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "UNAVAILABLE"


def test_a_body_that_is_too_large_or_no_json_goes_nowhere() -> None:
    scheduler = Scheduler()
    path = "/hubs/default/api/orchestrations"
    large = scheduler.ask(path, "POST", JSON, b"x" * (BODY_BYTES_MAX + 1))
    form = scheduler.ask(path, "POST", {"content-type": "text/plain"}, b"{}")
    assert (large.status_code, form.status_code) == (413, 415)
    assert scheduler.asked == []


@pytest.mark.parametrize("execution", ["..", ".", "%2e%2e", "%2E."])
def test_an_execution_whose_name_paths_fold_away_is_not_asked_for(execution: str) -> None:
    assert not is_allowed("GET", f"/orchestrations/a/executions/{execution}/history")


def test_a_tag_that_no_header_can_hold_is_not_passed_on() -> None:
    scheduler = Scheduler({"/workers": {"workers": [], "waiting": []}})
    headers = httpx.Headers([(b"if-none-match", b'"\xff"')])
    answer = scheduler.ask("/hubs/default/api/workers", headers=headers)
    assert answer.status_code == 200


NO_ANSWERS = [
    httpx.ReadTimeout("slow"),
    httpx.ReadError("reset"),
    httpx.RemoteProtocolError("closed"),
]


@pytest.mark.parametrize("error", NO_ANSWERS)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/orchestrations"),
        ("DELETE", "/orchestrations/query"),
        ("POST", "/entities/a/signal"),
    ],
)
def test_what_was_sent_and_got_no_answer_may_have_been_done(
    method: str, path: str, error: httpx.HTTPError
) -> None:
    answer = Scheduler(breaks=error).ask(f"/hubs/default/api{path}", method)
    assert answer.status_code == 504
    assert "may have been done" in answer.json()["error"]["message"]


@pytest.mark.parametrize("error", NO_ANSWERS)
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/workers"), ("POST", "/orchestrations/query"), ("POST", "/entities/query")],
)
def test_a_question_that_got_no_answer_has_done_nothing(
    method: str, path: str, error: httpx.HTTPError
) -> None:
    answer = Scheduler(breaks=error).ask(f"/hubs/default/api{path}", method)
    assert answer.status_code == 503
    assert "cannot be reached" in answer.json()["error"]["message"]


def test_an_answer_has_one_date() -> None:
    answer = Scheduler({"/workers": {}}).ask("/hubs/default/api/workers")
    assert "date" not in answer.headers  # the server adds it


def test_a_task_hub_may_be_called_api() -> None:
    page = Scheduler().ask("/hubs/api/orchestrations/nobody")
    call = Scheduler().ask("/hubs/api/api/nothing")
    assert page.headers["content-type"].startswith("text/html")
    assert (call.status_code, call.json()["error"]["code"]) == (404, "NOT_FOUND")
