import json
import re
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.addresses import instance
from tests.browser.shop import TICKS, Shop
from tests.browser.watch import Watch
from tests.conformance.hub import Hub

EVENTS: Final = 2 * TICKS  # and the turns beside them
ROWS_DRAWN_MAX: Final = 200
LOOKS_AFTER_MS: Final = 4_500
ABSOLUTE: Final = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}")


def rows(page: Page) -> Locator:
    """The events that are drawn."""
    return page.locator(".hs-body .hs-row")


def count(page: Page) -> Locator:
    """How many events there are, or are shown."""
    return page.locator(".hs-tools").get_by_role("status").first


def test_every_event_stands_with_its_time_and_the_time_since_the_last(
    page: Page, shop: Shop
) -> None:
    page.goto(instance(shop.failed, "history"))
    expect(rows(page).locator(".hs-kind")).to_have_text(
        [
            "OrchestratorStarted",
            "ExecutionStarted",
            "TaskScheduled",
            "OrchestratorStarted",
            "TaskCompleted",
            "TaskScheduled",
            "OrchestratorStarted",
            "TaskFailed",
            "ExecutionCompleted",
        ]
    )
    expect(rows(page).locator(".hs-index").first).to_have_text("0")
    expect(rows(page).locator(".hs-time span").last).to_have_attribute("title", ABSOLUTE)
    # A result is named after what it answers.
    failed = rows(page).filter(has_text="TaskFailed")
    expect(failed).to_contain_text("declines")
    expect(failed).to_contain_text("declined:")


def test_kinds_names_and_failures_are_filters(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.failed, "history"))
    expect(count(page)).to_have_text("9 events")
    kinds = page.get_by_role("group", name="Kinds of event")
    kinds.get_by_role("button", name="TaskScheduled").click()
    expect(rows(page)).to_have_count(2)
    expect(count(page)).to_have_text("2 of 9 events")
    kinds.get_by_role("button", name="TaskFailed").click()
    expect(rows(page)).to_have_count(3)
    page.get_by_label("Failures only").check()
    expect(rows(page)).to_have_count(1)
    page.get_by_role("button", name="Clear filters").click()
    expect(rows(page)).to_have_count(9)
    page.get_by_label("Filter by name").fill("decl")
    expect(rows(page)).to_have_count(3)
    page.get_by_label("Filter by name").fill("nothing is called this")
    expect(page.get_by_text("No event matches these filters.")).to_be_visible()


def test_an_events_details_are_shown_on_demand(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.tagged, "history"))
    started = rows(page).filter(has_text="ExecutionStarted")
    started.click()
    expect(started).to_have_attribute("aria-expanded", "true")
    detail = started.locator(".pv-code")
    expect(detail).to_contain_text('"executionStarted"')
    expect(detail).to_contain_text("Ada")
    expect(detail).to_contain_text("2.1.0")
    page.get_by_label("Search in Event 1").fill("priority")
    expect(detail.locator("mark")).to_have_text("priority")
    started.locator(".hs-index").click()
    expect(detail).to_have_count(0)


def test_ten_thousand_events_are_there_and_few_are_drawn(page: Page, shop: Shop, hub: Hub) -> None:
    events = len(hub.client.get_orchestration_history(shop.long))
    assert events > EVENTS
    page.goto(instance(shop.long, "history"))
    expect(count(page)).to_have_text(f"{events:,} events")
    grid = page.get_by_role("treegrid", name="History")
    expect(grid).to_have_attribute("aria-rowcount", str(events + 1))
    assert rows(page).count() < ROWS_DRAWN_MAX
    grid.focus()
    page.keyboard.press("End")
    expect(rows(page).filter(has_text="ExecutionCompleted")).to_be_in_viewport()
    page.get_by_role("group", name="Kinds of event").get_by_role(
        "button", name="TimerFired"
    ).click()
    expect(count(page)).to_have_text(f"{TICKS:,} of {events:,} events")
    assert rows(page).count() < ROWS_DRAWN_MAX


@pytest.mark.parametrize("which", ["failed", "long"])
def test_the_whole_history_is_downloaded_as_json(
    page: Page, shop: Shop, hub: Hub, tmp_path: Path, which: str
) -> None:
    instance_id = getattr(shop, which)
    page.goto(instance(instance_id, "history"))
    with page.expect_download() as download:
        page.get_by_role("button", name="Download JSON").click()
    file = tmp_path / "history.json"
    download.value.save_as(file)
    assert download.value.suggested_filename.endswith(".json")
    found = json.loads(file.read_text())
    events = found["events"] if isinstance(found, dict) else found
    assert len(events) == len(hub.client.get_orchestration_history(instance_id))
    assert "executionStarted" in events[1]


def test_what_happens_is_added_while_one_looks(page: Page, hub: Hub) -> None:
    instance_id = hub.client.schedule_new_orchestration("waits", input=1)
    hub.until_status(instance_id, {"waiting for": "approval"})
    page.goto(instance(instance_id, "history"))
    expect(rows(page).filter(has_text="TimerCreated")).to_have_count(1)
    hub.client.raise_orchestration_event(instance_id, "approval", data="yes")
    expect(rows(page).filter(has_text="EventRaised")).to_have_count(1)
    expect(rows(page).filter(has_text="ExecutionCompleted")).to_have_count(1)


def test_it_is_used_by_keyboard_alone(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.failed, "history"))
    expect(rows(page)).to_have_count(9)
    page.get_by_role("treegrid", name="History").focus()
    page.keyboard.press("ArrowDown")
    selected = page.locator('.hs-row[aria-selected="true"]')
    expect(selected).to_contain_text("ExecutionStarted")
    page.keyboard.press("Enter")
    expect(selected.locator(".pv-code")).to_contain_text("executionStarted")
    page.keyboard.press("ArrowLeft")
    expect(selected.locator(".pv-code")).to_have_count(0)


def test_a_new_execution_takes_the_place_of_the_old_one(page: Page, hub: Hub) -> None:
    instance_id = hub.client.schedule_new_orchestration("fans_out", input=40)
    hub.ended(instance_id)
    page.goto(instance(instance_id, "history"))
    kinds = page.get_by_role("group", name="Kinds of event")
    kinds.get_by_role("button", name="ExecutionCompleted").click()
    expect(rows(page)).to_have_count(1)
    rows(page).click()
    expect(rows(page).locator(".pv-code")).to_contain_text("executionCompleted")
    hub.client.restart_orchestration(instance_id)
    hub.ended(instance_id)
    expect(page.locator('.hs-row[aria-expanded="true"]')).to_have_count(0)
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_have_attribute("aria-expanded", "false")


def test_what_is_shown_of_an_instance_stays_when_it_is_purged(
    page: Page, hub: Hub, watch: Watch
) -> None:
    watch.tolerated += ["status of 404", "ERR_FAILED"]
    instance_id = hub.client.schedule_new_orchestration("waits", input=1)
    hub.until_status(instance_id, {"waiting for": "approval"})
    page.goto(instance(instance_id, "history"))
    expect(rows(page).filter(has_text="TimerCreated")).to_have_count(1)
    # Between two looks of the page.
    path = f"**/api/orchestrations/{instance_id}"
    page.route(path, lambda route: route.abort())
    hub.client.terminate_orchestration(instance_id)
    hub.until_it_is("TERMINATED", instance_id)
    hub.client.purge_orchestration(instance_id)
    page.unroute(path)
    expect(page.locator("#instance-message")).to_contain_text("it was purged")
    expect(rows(page).filter(has_text="TimerCreated")).to_have_count(1)


def test_what_has_ended_is_not_asked_about_again(page: Page, shop: Shop, watch: Watch) -> None:
    page.goto(instance(shop.failed, "history"))
    expect(rows(page)).to_have_count(9)
    # The head looks twice and more meanwhile, and tells each time what it has seen.
    page.wait_for_timeout(LOOKS_AFTER_MS)
    asked = [url for url in watch.requests if url.endswith(f"/api/orchestrations/{shop.failed}")]
    assert len(asked) == 1
