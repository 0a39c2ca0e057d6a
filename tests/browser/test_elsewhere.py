"""What others do to what a page shows, and what is under way meanwhile."""

from typing import Final

from playwright.sync_api import Page, Route, expect

from tests.browser.addresses import instance, list_of
from tests.browser.test_manage import action, dialog, status, toast, waiting
from tests.browser.watch import Watch
from tests.conformance.hub import Hub

# More than two polls.
LOOKS_AFTER_MS: Final = 4_500


def test_a_page_says_that_its_instance_was_purged(page: Page, hub: Hub, watch: Watch) -> None:
    watch.tolerated.append("status of 404")
    instance_id = waiting(hub)
    page.goto(instance(instance_id))
    hub.client.terminate_orchestration(instance_id)
    hub.ended(instance_id)
    hub.client.purge_orchestration(instance_id)
    expect(page.locator("#gone")).to_have_text("This orchestration was purged.")
    for button in page.get_by_role("group", name="Actions").get_by_role("button").all():
        expect(button).to_be_disabled()
    expect(page.locator("#head [data-since]")).to_have_count(0)
    expect(page.locator("#instance-message")).to_contain_text("purged")
    asked = len(watch.requests)
    page.wait_for_timeout(LOOKS_AFTER_MS)
    assert watch.requests[asked:] == []


def test_a_row_that_was_purged_elsewhere_says_so_and_is_asked_for_no_more(
    page: Page, hub: Hub, watch: Watch
) -> None:
    instance_id = waiting(hub, "purgedelsewhere")
    page.goto(list_of(query="prefix=purgedelsewhere"))
    row = page.locator(f"tr[data-id='{instance_id}']")
    expect(row).to_have_attribute("data-status", "running")
    # Away from one poll to the next.
    page.route("**/orchestrations?prefix*", lambda route: route.abort())
    watch.tolerated.append("net::ERR_")
    hub.client.terminate_orchestration(instance_id)
    hub.ended(instance_id)
    hub.client.purge_orchestration(instance_id)
    page.unroute("**/orchestrations?prefix*")
    expect(row).to_have_attribute("data-status", "purged")
    expect(row).to_contain_text("Purged")
    expect(row.locator("[data-since]")).to_have_count(0)
    asked = len(watch.requests)
    page.wait_for_timeout(LOOKS_AFTER_MS)
    assert not [url for url in watch.requests[asked:] if "?id=" in url]


def test_a_dialog_stays_while_what_it_asked_for_is_under_way(page: Page, hub: Hub) -> None:
    instance_id = waiting(hub)
    page.goto(instance(instance_id))
    held: list[Route] = []
    page.route("**/history", lambda route: held.append(route))  # noqa: PLW0108 - Playwright takes no built-in method
    action(page, "Raise event").click()
    dialog(page).get_by_label("Event name").fill("approval")
    dialog(page).get_by_role("button", name="Raise event").click()
    expect(dialog(page).get_by_role("button", name="Cancel")).to_be_disabled()
    for _ in range(3):
        page.keyboard.press("Escape")
    expect(dialog(page)).to_be_visible()
    held[0].continue_()
    expect(toast(page)).to_contain_text("Event raised")
    expect(dialog(page)).to_have_count(0)


def test_a_refusal_is_shown_as_one(page: Page, hub: Hub, watch: Watch) -> None:
    watch.tolerated.append("status of 409")
    instance_id = waiting(hub)
    page.goto(instance(instance_id))
    action(page, "Raise event").click()
    dialog(page).get_by_label("Event name").fill("other")
    hub.client.terminate_orchestration(instance_id)
    hub.ended(instance_id)
    dialog(page).get_by_role("button", name="Raise event").click()
    expect(dialog(page).get_by_role("alert")).not_to_be_empty()
    expect(toast(page)).not_to_contain_text("Event raised")
    dialog(page).get_by_role("button", name="Cancel").click()
    expect(status(page)).to_have_text("Terminated")


def test_what_happens_while_a_dialog_is_open_is_shown_once_it_is_closed(
    page: Page, hub: Hub
) -> None:
    instance_id = waiting(hub)
    page.goto(instance(instance_id))
    action(page, "Raise event").click()
    expect(dialog(page)).to_be_visible()
    hub.client.terminate_orchestration(instance_id)
    hub.ended(instance_id)
    page.wait_for_timeout(LOOKS_AFTER_MS)
    expect(status(page)).to_have_text("Running")
    dialog(page).get_by_role("button", name="Cancel").click()
    expect(status(page)).to_have_text("Terminated")
