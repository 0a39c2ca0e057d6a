import re
from typing import Final

from playwright.sync_api import Locator, Page, expect

from tests.browser.addresses import instance
from tests.browser.shop import Shop

HEAD_HEIGHT_MAX: Final = 120


def fact(page: Page, name: str) -> Locator:
    """What the head says of one thing."""
    return page.locator("#head dl div").filter(has=page.get_by_text(name, exact=True)).locator("dd")


def test_the_head_says_what_there_is_to_know(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.tagged, "timeline"))
    head = page.locator("#head")
    expect(head.get_by_role("heading", name="quick")).to_be_visible()
    expect(head.locator(".status")).to_have_text("Completed")
    expect(head.locator(".title code")).to_have_text(shop.tagged)
    expect(head.locator(".title .chip")).to_have_text(["customer=Ada", "priority=high"])
    expect(fact(page, "Version")).to_have_text("2.1.0")
    expect(fact(page, "Custom status")).to_have_text('"was quick"')
    expect(fact(page, "Retries")).to_have_text("0")
    expect(fact(page, "Created")).to_contain_text(re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"))
    expect(fact(page, "Updated")).not_to_be_empty()
    expect(fact(page, "Duration")).to_have_text(re.compile(r"^\d+(\.\d+)? m?s$"))


def test_a_child_says_who_its_parent_is(page: Page, shop: Shop) -> None:
    page.goto(instance(f"{shop.nested}.2", "timeline"))
    expect(fact(page, "Parent")).to_have_text(shop.nested)
    fact(page, "Parent").get_by_role("link").click()
    expect(page.locator("#instance")).to_have_attribute("data-instance-id", shop.nested)


def test_the_id_is_copied_with_one_click(page: Page, shop: Shop) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(instance(shop.hostile, "timeline"))
    page.get_by_role("button", name="Copy the instance id").click()
    expect(page.get_by_text("Copied").first).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == shop.hostile


def test_the_id_is_copied_where_the_browser_has_no_clipboard_to_offer(
    page: Page, shop: Shop
) -> None:
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.goto(instance(shop.tagged, "timeline"))
    page.get_by_role("button", name="Copy the instance id").click()
    expect(page.get_by_text("Copied").first).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.press("Control+V")
    expect(page.locator("#open-by-id")).to_have_value(shop.tagged)


def test_a_running_duration_grows(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.waiting, "io"))
    duration = fact(page, "Duration")
    before = duration.inner_text()
    expect(duration).not_to_have_text(before)


def test_the_head_is_no_taller_than_it_must_be_and_its_actions_are_on_one_line(
    page: Page, shop: Shop
) -> None:
    page.set_viewport_size({"width": 1280, "height": 720})
    for instance_id in (shop.waiting, shop.tagged, f"{shop.nested}.2", shop.hostile):
        page.goto(instance(instance_id))
        box = page.locator("#head").bounding_box()
        assert box is not None
        assert box["height"] <= HEAD_HEIGHT_MAX
        tops = set()
        for button in page.get_by_role("group", name="Actions").get_by_role("button").all():
            if (place := button.bounding_box()) is not None:
                tops.add(round(place["y"]))
        assert len(tops) == 1


def test_tabs_are_in_the_address_and_kept_on_back(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.nested))
    page.get_by_role("tab", name="History").click()
    expect(page).to_have_url(re.compile(r"\?tab=history$"))
    page.get_by_role("tab", name="Sequence").click()
    expect(page).to_have_url(re.compile(r"\?tab=sequence$"))
    page.go_back()
    expect(page.get_by_role("tab", name="History")).to_have_attribute("aria-selected", "true")
    page.get_by_role("tab", name="History").press("ArrowLeft")
    expect(page.get_by_role("tab", name="Timeline")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("tab", name="Timeline")).to_be_focused()
