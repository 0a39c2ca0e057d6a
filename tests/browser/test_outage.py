from collections.abc import Iterator
from typing import Final

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from scripts.local_stack import LocalStack
from tests.browser.addresses import instance, list_of
from tests.browser.watch import Watch
from tests.e2e.processes import end
from tests.e2e.schedulers import hub_of, kill_and_start

LOOKS_AFTER_MS: Final = 4_500
COUNT_WITHDRAWALS: Final = """() => {
  window.withdrawn = 0;
  const banner = document.getElementById("banner");
  new MutationObserver(() => { window.withdrawn += banner.hidden ? 1 : 0; })
    .observe(banner, { attributes: true, attributeFilter: ["hidden"] });
}"""


def _refuse(route: Route) -> None:
    """The answer to a wish that nobody can fulfil."""
    route.fulfill(status=400, json={"error": {"code": "INVALID_ARGUMENT", "message": "no"}})


@pytest.fixture(scope="module")
def stack(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:  # noqa: ARG001 - without a browser no stack is needed
    """A stack of its own, for its scheduler is killed."""
    logs = tmp_path_factory.mktemp("outage")
    with LocalStack(workers=0, logs=logs, usual_ports=False, dashboard=True) as stack:
        yield stack


@pytest.fixture
def watch(watch: Watch) -> Watch:
    """Chromium reports each answer that is an error, and here they are meant."""
    watch.tolerated += ["status of 503", "status of 400"]
    return watch


def test_a_page_tells_that_the_scheduler_is_away_and_goes_on_without_a_reload(
    page: Page, stack: LocalStack
) -> None:
    with hub_of(stack) as hub:
        run = hub.client.schedule_new_orchestration("nobody", instance_id="before")
        page.goto(list_of())
        page.evaluate("window.sameDocument = true")
        expect(page.locator("#rows > tr")).to_have_count(1)
        banner = page.get_by_role("alert")
        expect(banner).to_be_hidden()
        end(stack.process("scheduler"))
        expect(banner).to_contain_text("scheduler")
        expect(page.locator("#rows > tr")).to_have_count(1)
        kill_and_start(stack)
        expect(banner).to_be_hidden()
        hub.client.terminate_orchestration(run)
        expect(page.locator("#rows > tr")).to_have_attribute("data-status", "terminated")
        assert page.evaluate("window.sameDocument") is True


def test_the_page_of_an_ended_instance_tells_it_too_and_keeps_telling_it(
    page: Page, stack: LocalStack
) -> None:
    with hub_of(stack) as hub:
        run = hub.client.schedule_new_orchestration("nobody", instance_id="over")
        hub.client.terminate_orchestration(run)
        hub.until_it_is("TERMINATED", run)
        page.goto(instance(run))
        expect(page.get_by_role("tab", name="Timeline")).to_have_attribute("aria-selected", "true")
        banner = page.get_by_role("alert")
        page.evaluate(COUNT_WITHDRAWALS)
        end(stack.process("scheduler"))
        expect(banner).to_contain_text("scheduler")
        # Longer than its tabs wait before they look again.
        page.wait_for_timeout(LOOKS_AFTER_MS)
        expect(banner).to_be_visible()
        assert page.evaluate("window.withdrawn") == 0
        kill_and_start(stack)
        expect(banner).to_be_hidden()


def test_an_outage_that_ends_with_a_refusal_is_over(page: Page, stack: LocalStack) -> None:
    with hub_of(stack) as hub:
        run = hub.client.schedule_new_orchestration("nobody", instance_id="purged after")
        page.goto(instance(run))
        banner = page.get_by_role("alert")
        end(stack.process("scheduler"))
        expect(banner).to_contain_text("scheduler")
        page.route(f"**{instance(run)}*", _refuse)
        expect(banner).to_be_hidden()
        kill_and_start(stack)
        hub.client.terminate_orchestration(run)


def test_a_list_tells_it_that_cannot_fetch_what_it_polls_with(
    page: Page, stack: LocalStack, watch: Watch
) -> None:
    watch.tolerated.append("net::ERR_")
    with hub_of(stack):
        page.route("**/follow.js*", lambda route: route.abort())
        page.goto(list_of())
        expect(page.get_by_role("alert")).to_contain_text("cannot be reached")


def test_a_page_that_is_opened_meanwhile_shows_itself_later(page: Page, stack: LocalStack) -> None:
    with hub_of(stack) as hub:
        hub.client.schedule_new_orchestration("nobody", instance_id="found later")
        end(stack.process("scheduler"))
        answer = page.goto(list_of(query="prefix=found"))
        assert answer is not None
        assert answer.status == 503
        expect(page.get_by_role("heading", name="Waiting for the scheduler")).to_be_visible()
        page.evaluate("window.sameDocument = true")
        kill_and_start(stack)
        expect(page.locator("#rows > tr")).to_have_count(1)
        expect(page.get_by_role("alert")).to_be_hidden()
        assert page.evaluate("window.sameDocument") is True
        # It is as good as one that was loaded in the usual way.
        page.locator("#pick-all").check()
        expect(page.locator("#bulk")).to_be_visible()
