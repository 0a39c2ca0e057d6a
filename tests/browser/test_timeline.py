import re
from typing import Final

import pytest
from playwright.sync_api import Locator, Page, expect

from scripts.local_stack import LocalStack
from tests.browser.addresses import instance
from tests.browser.runs import submit
from tests.browser.shop import FAN, TICKS, Shop
from tests.conformance.hub import Hub

ROWS_DRAWN_MAX: Final = 200
# Left and right of the children's bars, once so many are drawn.
PLACES_OF_BARS: Final = """(count) => {
  const bars = [...document.querySelectorAll(".tl-row .bar-child")];
  const places = bars.map((bar) => bar.getBoundingClientRect());
  if (places.length !== count || places.some((place) => place.width === 0)) return false;
  return places.map((place) => [place.left, place.right]);
}"""


def rows(page: Page) -> Locator:
    """The rows that are drawn."""
    return page.locator(".tl-body .tl-row")


def row(page: Page, name: str) -> Locator:
    """The first row of this name."""
    return rows(page).filter(has=page.get_by_text(name, exact=True)).first


def grid(page: Page) -> Locator:
    """The timeline itself."""
    return page.get_by_role("treegrid", name="Timeline")


def width_of(bar: Locator) -> float:
    """How wide a bar is drawn."""
    box = bar.bounding_box()
    assert box is not None
    return box["width"]


def test_it_is_what_a_run_opens_with(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.nested))
    expect(page.get_by_role("tab", name="Timeline")).to_have_attribute("aria-selected", "true")
    expect(grid(page)).to_be_visible()


def test_children_are_nested_down_the_tree_and_fold_in_place(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.nested, "timeline"))
    # Few children are open at once, theirs are not.
    child = rows(page).filter(has=page.locator(f'a[href$="{shop.nested}.2"]'))
    expect(child).to_have_attribute("aria-expanded", "true")
    expect(child).to_have_attribute("aria-level", "2")
    grandchild = rows(page).filter(has=page.locator(f'a[href$="{shop.nested}.2.1"]'))
    expect(grandchild).to_have_attribute("aria-level", "3")
    page.get_by_role("button", name="Expand all").click()
    expect(grandchild).to_have_attribute("aria-expanded", "true")
    expect(rows(page).filter(has_text="echoes")).to_have_count(3)
    child.locator(".tl-chevron").click()
    expect(grandchild).to_have_count(0)
    expect(rows(page).filter(has_text="echoes")).to_have_count(1)


def test_a_name_of_a_child_leads_to_its_page_and_the_breadcrumb_back(
    page: Page, shop: Shop
) -> None:
    page.goto(instance(shop.nested, "timeline"))
    page.locator(f'.tl-row a[href$="{shop.nested}.2"]').click()
    expect(page.locator("#instance")).to_have_attribute("data-instance-id", f"{shop.nested}.2")
    page.locator(f'.tl-row a[href$="{shop.nested}.2.1"]').click()
    expect(page.locator("#instance")).to_have_attribute("data-instance-id", f"{shop.nested}.2.1")
    crumbs = page.get_by_role("navigation", name="Breadcrumb")
    expect(crumbs.get_by_role("listitem")).to_have_text(
        ["Orchestrations", "nests", "nests", "nests"]
    )
    crumbs.get_by_role("link", name="nests").first.click()
    expect(page.locator("#instance")).to_have_attribute("data-instance-id", shop.nested)


def test_attempts_and_failures_are_seen(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.retried, "timeline"))
    wavers = row(page, "wavers")
    expect(wavers).to_contain_text("\u00d73")
    expect(wavers.locator(".bar-activity.is-failed")).to_have_count(2)
    expect(wavers.locator(".bar-activity.is-completed")).to_have_count(1)
    expect(wavers.locator(".bar-backoff")).to_have_count(2)
    expect(page.locator("#retries")).to_have_text("2")
    page.goto(instance(shop.failed, "timeline"))
    declines = row(page, "declines")
    expect(declines.locator(".bar-activity.is-failed")).to_have_count(1)
    expect(declines).to_contain_text("Failed")


def test_running_bars_grow_with_the_clock(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.waiting, "timeline"))
    for name in ("waits", "Timer"):
        duration = row(page, name).locator(".tl-duration")
        expect(duration).to_be_visible()
        before = duration.inner_text()
        expect(duration).not_to_have_text(before)
    # A timer of an hour is due far to the right: its bar says so.
    expect(rows(page).locator(".bar-due")).to_have_count(1)


def test_a_wait_ends_on_the_page_when_its_event_comes(page: Page, hub: Hub) -> None:
    instance_id = hub.client.schedule_new_orchestration("waits", input=1)
    hub.until_status(instance_id, {"waiting for": "approval"})
    page.goto(instance(instance_id, "timeline"))
    expect(row(page, "Timer")).to_contain_text("Running")
    hub.client.raise_orchestration_event(instance_id, "approval", data="yes")
    expect(page.locator("#head")).to_have_attribute("data-status", re.compile("COMPLETED"))
    expect(row(page, "approval")).to_contain_text("Received")
    expect(row(page, "Timer")).not_to_contain_text("Running")


def test_zoom_and_pan_and_fit(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.nested, "timeline"))
    bar = rows(page).first.locator(".bar-instance")
    whole = width_of(bar)
    page.get_by_role("button", name="Zoom in").click()
    assert width_of(bar) > 1.5 * whole
    place = bar.bounding_box()
    grid(page).focus()
    page.keyboard.press("Shift+ArrowRight")
    moved = bar.bounding_box()
    assert place is not None
    assert moved is not None
    assert moved["x"] < place["x"]
    page.get_by_role("button", name="Fit").click()
    assert width_of(bar) == pytest.approx(whole, abs=2)
    page.mouse.move(800, 400)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    expect(page.locator(".tl-axis .tl-tick").first).to_be_visible()
    assert width_of(bar) > 1.2 * whole


def test_thousands_of_rows_are_there_and_few_are_drawn(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.long, "timeline"))
    expect(page.locator(".tl-summary").first).to_contain_text(f"{TICKS:,} steps")
    expect(grid(page)).to_have_attribute("aria-rowcount", str(TICKS + 2))
    assert rows(page).count() < ROWS_DRAWN_MAX
    grid(page).focus()
    page.keyboard.press("End")
    last = page.locator(f'.tl-row[aria-rowindex="{TICKS + 2}"]')
    expect(last).to_be_in_viewport()
    assert rows(page).count() < ROWS_DRAWN_MAX


def test_scrolling_thousands_of_rows_is_smooth(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.long, "timeline"))
    expect(page.locator(".tl-summary").first).to_contain_text(f"{TICKS:,} steps")
    # The work of the page alone, without what a busy machine adds between two frames.
    slow = page.evaluate(
        """async () => {
          const grid = document.querySelector(".tl-grid");
          const seen = [];
          const observer = new PerformanceObserver((list) => seen.push(...list.getEntries()));
          observer.observe({ type: "longtask" });
          for (let step = 0; step < 60; step += 1) {
            grid.scrollTop += 400;
            await new Promise((done) => requestAnimationFrame(done));
          }
          observer.disconnect();
          return seen.filter((entry) => entry.duration > 100).length;
        }"""
    )
    assert slow <= 3


def test_a_run_of_orders_shows_batches_side_by_side_and_orders_inside(
    page: Page, hub: Hub, stack: LocalStack
) -> None:
    run = submit(stack, orders=60, batch_size=20)
    hub.ended(run)
    page.goto(instance(run, "timeline"))
    expect(rows(page).filter(has_text="process_order").first).to_be_visible()
    page.get_by_role("button", name="Collapse").click()
    batches = rows(page).filter(has=page.locator("a", has_text="process_order_batch"))
    expect(batches).to_have_count(3)
    places = page.wait_for_function(PLACES_OF_BARS, arg=3).json_value()
    # Side by side: the last one begins before the first one ends.
    assert max(left for left, _ in places) < min(right for _, right in places)
    batches.last.locator(".tl-chevron").click()
    expect(page.locator('.tl-row[aria-level="3"]')).to_have_count(20)


def test_it_is_used_by_keyboard_alone(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.nested, "timeline"))
    grid(page).focus()
    page.keyboard.press("Home")
    selected = page.locator('.tl-row[aria-selected="true"]')
    expect(selected).to_contain_text("nests")
    page.keyboard.press("ArrowLeft")
    expect(rows(page)).to_have_count(1)
    page.keyboard.press("ArrowRight")
    expect(rows(page).nth(1)).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(selected).to_contain_text("echoes")
    page.keyboard.press("Enter")
    # A step's payloads.
    expect(page.get_by_role("tab", name="Input / Output")).to_have_attribute(
        "aria-selected", "true"
    )


def test_a_wide_fan_out_is_one_row_each(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.fanned, "timeline"))
    expect(page.locator(".tl-summary").first).to_contain_text(f"{FAN} steps")
