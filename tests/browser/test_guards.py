"""What a page must not do, whatever was written into what it shows."""

from typing import Final

import pytest
from playwright.sync_api import Page, expect

from scripts.local_stack import LocalStack
from tests.browser.addresses import TABS, entities, entity, instance, list_of, workers
from tests.browser.conftest import ContextMaker
from tests.browser.odd_shop import HOSTILE, HOSTILE_IMAGE
from tests.browser.runs import submit
from tests.browser.shop import MUSEUM, Shop
from tests.browser.watch import Watch
from tests.conformance.hub import Hub

LIST_BYTES_MAX: Final = 30_000
TABS_AT_ONCE: Final = 10


def assert_inert(page: Page) -> None:
    """Nothing of what was written has become an element; the watch sees all else."""
    assert page.locator("img, script:not([src]), script[src^='http']").count() == 0
    assert page.evaluate("[...document.querySelectorAll('[onerror], [onload]')].length") == 0


def test_markup_in_names_ids_payloads_and_failures_stays_text_on_every_tab(
    page: Page, shop: Shop
) -> None:
    for tab in ("failure", *TABS):
        page.goto(instance(shop.hostile, tab))
        expect(page.locator("#head h1")).to_have_text(HOSTILE)
        expect(page.locator("#head .title code")).to_have_text(shop.hostile)
        expect(page.locator("#head .chip")).to_have_text(f"{HOSTILE}={HOSTILE_IMAGE}")
        panel = page.locator(f"#panel-{tab}")
        expect(panel).to_contain_text(HOSTILE)
        assert_inert(page)
    page.goto(instance(shop.hostile, "history"))
    for event in ("ExecutionStarted", "EventRaised", "ExecutionCompleted"):
        page.locator(".hs-body .hs-row").filter(has_text=event).locator(".hs-kind").click()
    expect(page.locator(".hs-detail .pv-code")).to_have_count(3)
    assert_inert(page)
    page.goto(instance(shop.hostile, "io"))
    for step in page.get_by_role("treeitem").all():
        step.click()
    assert_inert(page)


def test_markup_stays_text_in_the_list_and_in_what_is_asked(page: Page, shop: Shop) -> None:
    page.goto(list_of(query=f"prefix={HOSTILE}"))
    expect(page.locator("#rows > tr")).to_have_attribute("data-id", shop.hostile)
    expect(page.locator("#rows")).to_contain_text(HOSTILE)
    expect(page.locator("#chips")).to_contain_text(f"Id begins with {HOSTILE}")
    page.get_by_label("Name", exact=True).select_option(HOSTILE)
    expect(page.locator("#chips")).to_contain_text(f"Name is {HOSTILE}")
    page.locator("#pick-all").check()
    page.locator("#bulk").get_by_role("button", name="Suspend").click()
    page.get_by_role("dialog").get_by_role("button", name="Suspend 1").click()
    expect(page.locator(".outcomes")).to_contain_text(shop.hostile)
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    page.locator("#saved > summary").click()
    page.get_by_label("Name of this view").fill(HOSTILE_IMAGE)
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#saved-views")).to_contain_text(HOSTILE_IMAGE)
    assert_inert(page)
    page.goto(instance(shop.hostile, "io"))
    page.get_by_role("button", name="Start one like this").click()
    expect(page.get_by_role("dialog").get_by_label("Name", exact=True)).to_have_value(HOSTILE)
    assert_inert(page)


@pytest.mark.usefixtures("shop")
def test_markup_stays_text_in_entities_and_workers(page: Page) -> None:
    page.goto(entities())
    expect(page.locator("#region")).to_contain_text(HOSTILE)
    assert_inert(page)
    page.goto(entity("account", HOSTILE))
    expect(page.locator("h1")).to_have_text(HOSTILE)
    assert_inert(page)
    page.goto(entity("account", "texts"))
    expect(page.locator("#state")).to_contain_text("<img src=x")
    assert_inert(page)
    page.goto(workers())
    for summary in page.locator("table summary").all():
        summary.click()
    expect(page.locator("table")).to_contain_text(HOSTILE)
    assert_inert(page)


def test_an_order_named_like_a_script_stays_text(page: Page, hub: Hub, stack: LocalStack) -> None:
    run = submit(stack, orders=2, batch_size=2, name=HOSTILE)
    hub.ended(run)
    for tab in TABS:
        page.goto(instance(run, tab))
        expect(page.locator(f"#panel-{tab}")).to_contain_text("main_orchestration")
        assert_inert(page)
    expect(page.locator(".pv-code").first).to_contain_text(HOSTILE)


def test_markup_in_an_address_stays_text(page: Page, watch: Watch) -> None:
    watch.tolerated.append("status of 40")
    for address in (
        list_of(query=f"status={HOSTILE}"),
        list_of(query=f"prefix={HOSTILE_IMAGE}"),
        instance(HOSTILE_IMAGE),
        entity(HOSTILE, HOSTILE_IMAGE),
        f"/hubs/{HOSTILE_IMAGE}/orchestrations",
    ):
        page.goto(address)
        expect(page.get_by_role("heading").first).to_be_visible()
        assert_inert(page)


@pytest.mark.usefixtures("museum")
def test_no_request_leaves_the_dashboard(page: Page, shop: Shop, watch: Watch) -> None:
    addresses = [list_of(), list_of(MUSEUM), entities(), entity("account", "from"), workers()]
    addresses += [instance(shop.failed, tab) for tab in ("failure", *TABS)]
    for address in addresses:
        page.goto(address)
    assert len(watch.requests) > 50
    assert {url for url in watch.requests if not url.startswith(f"{watch.origin}/")} == set()


@pytest.mark.usefixtures("museum")
def test_the_list_is_light(new_context: ContextMaker) -> None:
    page = new_context().new_page()
    # With the first poll everything is there that a list needs without being touched.
    with page.expect_response(lambda response: "x-partial" in response.request.headers):
        page.goto(list_of(MUSEUM))
    sizes = page.evaluate(
        """performance.getEntriesByType("resource")
           .concat(performance.getEntriesByType("navigation"))
           .filter((entry) => entry.initiatorType !== "fetch")
           .map((entry) => [entry.name, entry.transferSize])"""
    )
    assert all(size > 0 for _, size in sizes)
    assert sum(size for _, size in sizes) <= LIST_BYTES_MAX, sizes


@pytest.mark.usefixtures("museum")
def test_the_rows_come_with_the_page_and_wait_for_no_script(new_context: ContextMaker) -> None:
    page = new_context(java_script_enabled=False).new_page()
    page.goto(list_of(MUSEUM))
    assert page.locator("#rows > tr").count() == 50


def test_ten_tabs_at_once_all_follow_a_run(new_context: ContextMaker, hub: Hub) -> None:
    run = hub.fresh("watched")
    hub.client.schedule_new_orchestration("waits", input=1, instance_id=run)
    hub.until_status(run, {"waiting for": "approval"})
    context = new_context()
    pages = [context.new_page() for _ in range(TABS_AT_ONCE)]
    for number, page in enumerate(pages):
        page.goto(instance(run, TABS[number % len(TABS)]))
    for page in pages:
        expect(page.locator("#head .status")).to_have_text("Running")
    hub.client.raise_orchestration_event(run, "approval", data=1)
    for page in pages:
        expect(page.locator("#head .status")).to_have_text("Completed")


def test_a_hidden_tab_asks_for_nothing(page: Page, shop: Shop, watch: Watch) -> None:
    page.clock.install()
    page.goto(instance(shop.waiting, "timeline"))
    expect(page.locator(".tl-row").nth(2)).to_be_visible()
    with page.expect_response(lambda response: response.request.method == "GET"):
        page.clock.run_for(5_000)
    page.evaluate(
        """Object.defineProperty(document, "hidden", { value: true, configurable: true });
           Object.defineProperty(document, "visibilityState", { value: "hidden" });
           document.dispatchEvent(new Event("visibilitychange"));"""
    )
    page.clock.run_for(5_000)
    asked = len(watch.requests)
    page.clock.run_for(120_000)
    assert watch.requests[asked:] == []
