import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.addresses import instance
from tests.browser.shop import FAN, Shop


def participants(page: Page) -> Locator:
    """Who takes part, from the left."""
    return page.locator(".sq-participant")


def messages(page: Page) -> Locator:
    """Who called whom, from the top."""
    return page.locator(".sq-message")


def test_who_called_whom_stands_in_order_with_durations(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.retried, "sequence"))
    expect(participants(page)).to_have_text(["Client", "retries", "wavers"])
    expect(messages(page)).to_have_text(
        [
            "start",
            "wavers (attempt 1)",
            re.compile(r"failed[\d.]+ m?s"),
            "wavers (attempt 2)",
            re.compile(r"failed[\d.]+ m?s"),
            "wavers (attempt 3)",
            re.compile(r"done[\d.]+ m?s"),
            re.compile(r"completed[\d.]+ m?s"),
        ]
    )
    expect(page.locator(".sq-message.is-failed")).to_have_count(2)


def test_the_repeated_calls_of_a_fan_out_are_one_arrow_until_opened(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.fanned, "sequence"))
    expect(messages(page)).to_have_count(4)
    group = messages(page).filter(has_text=re.compile(rf"echoes × {FAN}"))  # noqa: RUF001 - as the page writes it
    expect(messages(page).filter(has_text=f"{FAN} done")).to_contain_text("median")
    group.locator(".sq-toggle").click()
    expect(messages(page)).not_to_have_count(4)
    expect(page.locator(".sq .tl-summary")).to_contain_text(re.compile(r"24\d arrows"))


def test_a_child_is_opened_in_place(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.nested, "sequence"))
    closed = messages(page).filter(has_text=re.compile("^nests$"))
    expect(closed).to_have_count(1)
    expect(participants(page)).to_have_count(5)
    before = messages(page).count()
    closed.locator(".sq-toggle").click()
    expect(messages(page)).not_to_have_count(before)
    expect(closed).to_have_count(2)
    page.get_by_role("button", name="Collapse all").click()
    expect(messages(page)).to_have_count(before)
