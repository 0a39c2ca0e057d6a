from playwright.sync_api import Page, expect

from tests.browser.addresses import instance
from tests.browser.shop import Shop
from tests.conformance.hub import Hub


def test_a_failed_run_opens_with_its_error_its_inner_errors_and_the_stack(
    page: Page, shop: Shop
) -> None:
    page.goto(instance(shop.failed))
    expect(page.get_by_role("tab", name="Failure")).to_have_attribute("aria-selected", "true")
    panel = page.get_by_role("tabpanel", name="Failure")
    expect(panel.locator(".fl-type").first).to_contain_text("TaskFailedError")
    expect(panel.locator(".fl-message").first).to_contain_text("declined: {'order': 7}")
    expect(panel.get_by_role("region", name="Stack trace").first).to_contain_text("odd_shop.py")


def test_inner_errors_stand_below_what_they_caused(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.failed, "io"))
    page.get_by_role("treeitem").filter(has_text="declines").click()
    error = page.locator(".io-detail .fl").first
    expect(error.locator(".fl-type").first).to_contain_text("PaymentError")
    expect(error.locator(".fl-inner .fl-type")).to_contain_text("StockError")
    expect(error.locator(".fl-inner .fl-message")).to_have_text("no more of {'order': 7}")


def test_it_leads_to_where_it_began(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.failed))
    cause = page.locator(".fl-path .is-cause")
    expect(cause).to_contain_text("declines")
    cause.get_by_role("button", name="declines").click()
    expect(page.get_by_role("tab", name="Input / Output")).to_have_attribute(
        "aria-selected", "true"
    )
    expect(page.locator(".io-head h2")).to_have_text("declines")


def test_what_did_not_fail_has_no_such_tab(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.nested))
    expect(page.get_by_role("tab", name="Timeline")).to_be_visible()
    expect(page.get_by_role("tab", name="Failure")).to_be_hidden()


def test_the_tab_appears_when_the_run_fails(page: Page, hub: Hub) -> None:
    parent = hub.fresh("will-fail")
    hub.client.schedule_new_orchestration("has_waiting_child", input=1, instance_id=parent)
    hub.until_status(f"{parent}.child", {"waiting for": "approval"})
    page.goto(instance(parent, "timeline"))
    expect(page.get_by_role("tab", name="Timeline")).to_be_visible()
    expect(page.get_by_role("tab", name="Failure")).to_be_hidden()
    hub.client.terminate_orchestration(f"{parent}.child", output="no more")
    page.get_by_role("tab", name="Failure").click()
    panel = page.get_by_role("tabpanel", name="Failure")
    expect(panel.locator(".fl-message").first).to_contain_text(f"{parent}.child")
