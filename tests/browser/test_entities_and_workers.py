import re

import pytest
from durabletask.entities import EntityInstanceId
from playwright.sync_api import Page, expect

from tests.browser.addresses import entities, entity, instance, workers
from tests.browser.shop import EMPTY, Shop, until
from tests.conformance.hub import Hub


def state_of(hub: Hub, key: str) -> object:
    """What an account holds."""
    found = hub.client.get_entity(EntityInstanceId("account", key))
    return None if found is None else found.get_typed_state()


def test_entities_are_listed_with_what_waits_and_who_has_the_lock(page: Page, shop: Shop) -> None:
    page.goto(entities())
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="from", exact=True))
    expect(row).to_contain_text("account")
    expect(row).to_contain_text(shop.locking)
    row.get_by_role("link", name=shop.locking).click()
    expect(page.locator("#instance")).to_have_attribute("data-instance-id", shop.locking)


@pytest.mark.usefixtures("shop")
def test_entities_are_filtered_by_the_beginning_of_their_id(page: Page) -> None:
    page.goto(entities())
    page.get_by_label("Id begins with").fill("@account@t")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("tr[data-id]")).to_have_count(2)
    page.locator(".chip").click()
    expect(page.locator("tr[data-id]")).not_to_have_count(2)


def test_an_entity_shows_its_state_its_lock_and_its_queue(page: Page, shop: Shop, hub: Hub) -> None:
    page.goto(entity("account", "from"))
    expect(page.locator("#state")).to_have_text("9")
    expect(page.locator(".facts")).to_contain_text("1 B")
    expect(page.locator(".facts")).to_contain_text(shop.locking)
    # It waits until the lock is let go.
    hub.client.signal_entity(EntityInstanceId("account", "from"), "add", 0)
    queue = page.get_by_role("region", name="Queue")
    expect(queue).to_contain_text("add")
    expect(queue).to_contain_text("a signal")


def test_an_entity_is_signalled_and_its_new_state_is_shown(page: Page, hub: Hub) -> None:
    key = hub.fresh("signalled")
    hub.client.signal_entity(EntityInstanceId("account", key), "set", 1)
    until(lambda: state_of(hub, key) == 1)
    page.goto(entity("account", key))
    expect(page.locator("#state")).to_have_text("1")
    page.get_by_role("button", name="Signal operation").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Operation").fill("add")
    dialog.get_by_label("Input").fill("41")
    dialog.get_by_role("button", name="Signal").click()
    expect(page.locator("#state")).to_have_text("42")


@pytest.mark.usefixtures("hub")
def test_workers_stand_with_since_when_their_load_and_what_they_accept(page: Page) -> None:
    page.goto(workers())
    rows = page.get_by_role("table", name="Workers").locator("tbody > tr")
    expect(rows).to_have_count(2)
    ours = rows.filter(has_text="of 20")
    expect(ours.locator("time")).to_have_attribute("title", re.compile(r"^\d{4}-\d\d-\d\d"))
    expect(ours.get_by_role("meter")).to_have_count(3)
    ours.locator("summary").click()
    expect(ours).to_contain_text("has_waiting_child")
    expect(ours).to_contain_text("wavers")
    expect(rows.filter(has_text="of 32")).to_be_visible()


def test_work_that_no_worker_accepts_is_shown_as_such(page: Page, hub: Hub) -> None:
    name = hub.fresh("unheard_of")
    page.goto(workers())
    hub.client.schedule_new_orchestration(name)
    notice = page.get_by_role("region", name="Work that no worker accepts")
    expect(notice).to_contain_text(name)


def test_without_workers_and_entities_a_hub_says_what_to_do(page: Page) -> None:
    page.goto(workers(EMPTY))
    expect(page.locator("main")).to_contain_text("No worker is connected to this task hub")
    expect(page.locator("main pre")).to_have_text(f"TASKHUB={EMPTY} make worker")
    page.goto(entities(EMPTY))
    expect(page.locator("main")).to_contain_text("No entities in this task hub")


def test_an_instance_page_leads_to_the_entity_that_it_locks(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.locking, "timeline"))
    expect(page.locator(".tl-row").filter(has_text="account").first).to_be_visible()
