"""Themes, zones, sizes, keyboard, and what WCAG 2.1 asks for at A and AA."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from scripts.local_stack import LocalStack
from tests.browser.addresses import TABS, entities, entity, instance, list_of, workers
from tests.browser.conftest import ContextMaker
from tests.browser.runs import submit
from tests.browser.shop import EMPTY, MUSEUM, Shop
from tests.browser.watch import Watch
from tests.conformance.hub import Hub

RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
BRIGHT: Final = 128
PHONE: Final = {"width": 390, "height": 844}
LIGHT_AND_SMALL: Final = {
    "color_scheme": "light",
    "viewport": {"width": 1280, "height": 720},
}
DARK_ON_A_PHONE: Final = {"color_scheme": "dark", "viewport": PHONE}
# What tells children apart is not cut; the name beside it is, and not gone.
WHOLE_SUFFIX: Final = """(text) => {
  const suffixes = [...document.querySelectorAll(".tl-row .tl-suffix")];
  const suffix = suffixes.find((one) => one.textContent === text);
  const name = suffix?.parentElement.querySelector(".tl-name");
  if (!suffix?.clientWidth || suffix.scrollWidth > suffix.clientWidth) return false;
  return name.clientWidth >= 30;
}"""


def brightness(page: Page) -> float:
    """Of the page's ground, from 0 to 255."""
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    red, green, blue = (int(part) for part in re.findall(r"\d+", colour)[:3])
    return 0.299 * red + 0.587 * green + 0.114 * blue


def violations(page: Page, axe: str) -> list[str]:
    """What axe finds, each with where."""
    page.evaluate(axe)
    found: Any = page.evaluate(
        "(rules) => axe.run({ runOnly: { type: 'tag', values: rules } })", RULES
    )
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


@pytest.fixture(scope="session")
def axe(packages: Path) -> str:
    """The source of axe."""
    return (packages / "node_modules" / "axe-core" / "axe.min.js").read_text()


def show_list(page: Page, _shop: Shop) -> None:
    page.goto(list_of(MUSEUM, "status=failed&status=running&sub=1"))
    page.locator("#pick-all").check()
    expect(page.locator("#bulk")).to_be_visible()


def show_whole_list(page: Page, _shop: Shop) -> None:
    page.goto(list_of(MUSEUM))
    page.locator("#saved > summary").click()
    expect(page.get_by_label("Name of this view")).to_be_visible()


def show_empty_list(page: Page, _shop: Shop) -> None:
    page.goto(list_of(EMPTY))


def show_timeline(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.nested, "timeline"))
    expect(page.locator(".tl-row").nth(3)).to_be_visible()


def show_running_timeline(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.waiting, "timeline"))
    expect(page.locator(".tl-row").nth(2)).to_be_visible()


def show_retries(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.retried, "timeline"))
    expect(page.locator(".tl-row").nth(1)).to_be_visible()


def show_history(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.failed, "history"))
    page.locator(".hs-body .hs-row").nth(1).click()
    expect(page.locator(".hs-detail .pv-code")).to_be_visible()


def show_sequence(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.nested, "sequence"))
    expect(page.locator(".sq-message").first).to_be_visible()


def show_payloads(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.waiting, "io"))
    expect(page.locator(".pv-code").first).to_be_visible()


def show_failure(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.failed))
    expect(page.locator(".fl-message").first).to_be_visible()


def show_question(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.waiting, "io"))
    page.get_by_role("button", name="Terminate", exact=True).click()
    expect(page.get_by_role("dialog")).to_be_visible()


def show_start(page: Page, _shop: Shop) -> None:
    page.goto(list_of(EMPTY))
    page.get_by_role("button", name="Start new").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()


def show_entities(page: Page, _shop: Shop) -> None:
    page.goto(entities())


def show_entity(page: Page, _shop: Shop) -> None:
    page.goto(entity("account", "from"))
    expect(page.locator("#state")).to_be_visible()


def show_workers(page: Page, _shop: Shop) -> None:
    page.goto(workers())
    page.locator("table summary").first.click()


def show_refusal(page: Page, _shop: Shop) -> None:
    page.goto(list_of("nowhere"))


VIEWS: Final = (
    show_list, show_whole_list, show_empty_list, show_timeline, show_running_timeline,
    show_retries, show_history, show_sequence, show_payloads, show_failure, show_question,
    show_start, show_entities, show_entity, show_workers, show_refusal,
)  # fmt: skip


@pytest.mark.parametrize("look", [LIGHT_AND_SMALL, DARK_ON_A_PHONE])
@pytest.mark.usefixtures("museum")
def test_every_view_keeps_wcag_at_a_and_aa_in_both_themes_and_fits_its_width(
    new_context: ContextMaker, shop: Shop, watch: Watch, axe: str, look: dict[str, Any]
) -> None:
    watch.tolerated.append("status of 404")
    page = new_context(**look).new_page()
    wrong: dict[str, list[str]] = {}
    for show in VIEWS:
        show(page, shop)
        found = violations(page, axe)
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > look["viewport"]["width"]:
            found.append(f"is {width} wide")
        if found:
            wrong[show.__name__] = found
        assert (brightness(page) > BRIGHT) == (look["color_scheme"] == "light")
    assert wrong == {}


def test_on_a_phone_everything_is_in_reach(new_context: ContextMaker, shop: Shop) -> None:
    page = new_context(viewport=PHONE, has_touch=True).new_page()
    page.goto(list_of(query=f"prefix={shop.nested}"))
    page.get_by_role("link", name=shop.nested, exact=True).tap()
    expect(page.get_by_role("tab", name="Timeline")).to_be_in_viewport()
    for tab in TABS:
        page.locator(f'[role="tab"][data-tab="{tab}"]').tap()
        expect(page.locator(f"#panel-{tab}")).to_be_visible()
    page.get_by_role("button", name="Restart", exact=True).scroll_into_view_if_needed()
    page.get_by_role("button", name="Restart", exact=True).tap()
    expect(page.get_by_role("dialog").get_by_role("button", name="Restart")).to_be_in_viewport()


def test_on_a_phone_children_of_one_name_are_told_apart(
    new_context: ContextMaker, stack: LocalStack
) -> None:
    page = new_context(viewport=PHONE, has_touch=True).new_page()
    page.goto(instance(submit(stack, orders=4, batch_size=2), "timeline"))
    # Rows are drawn anew while the run goes on.
    page.wait_for_function(WHOLE_SUFFIX, arg=":0002")


def test_a_chosen_theme_outlives_the_page_and_the_systems_choice(
    new_context: ContextMaker,
) -> None:
    context = new_context(color_scheme="light")
    page, other = context.new_page(), context.new_page()
    other.goto(list_of(EMPTY))
    page.goto(list_of(EMPTY))
    assert brightness(page) > BRIGHT
    page.locator("#display > summary").click()
    page.get_by_label("Dark").check()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert brightness(page) < BRIGHT
    expect(other.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    assert brightness(page) < BRIGHT
    page.locator("#display > summary").click()
    page.get_by_label("As the system").check()
    assert brightness(page) > BRIGHT


def test_times_are_local_or_utc_as_one_chooses(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.tagged, "history"))
    created = page.locator("#head .facts time").first
    expect(page.locator(".hs-body .hs-row").first).to_be_visible()
    event = page.locator(".hs-body .hs-time span").first
    local, local_event = created.inner_text(), event.get_attribute("title")
    page.locator("#display > summary").click()
    page.get_by_label("UTC", exact=True).check()
    expect(created).not_to_have_text(local)
    expect(event).not_to_have_attribute("title", local_event or "")
    # Zurich is an hour or two ahead.
    hours = [int(re.findall(r" (\d\d):", text)[0]) for text in (local, created.inner_text())]
    assert (hours[0] - hours[1]) % 24 in {1, 2}
    page.reload()
    expect(created).not_to_have_text(local)
    page.locator("#display > summary").click()
    page.get_by_label("Local time").check()
    expect(created).to_have_text(local)


def test_a_run_is_found_looked_at_and_managed_by_keyboard_alone(page: Page, hub: Hub) -> None:
    run = hub.fresh("by-keyboard")
    hub.client.schedule_new_orchestration("waits", input=1, instance_id=run)
    hub.until_status(run, {"waiting for": "approval"})
    page.goto(list_of())
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("/")
    page.keyboard.type(run[:-1])
    page.keyboard.press("Enter")
    expect(page.locator("#rows > tr")).to_have_count(1)
    page.keyboard.press("Escape")
    page.locator("#main").focus()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("#instance")).to_have_attribute("data-instance-id", run)
    tab = page.get_by_role("tab", name="Timeline")
    press_until_focused(page, tab)
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="History")).to_be_focused()
    expect(page.locator("#panel-history")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    press_until_focused(page, page.get_by_role("button", name="Raise event"), key="Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Event name")).to_be_focused()
    page.keyboard.type("approval")
    page.keyboard.press("Enter")
    expect(page.locator("#head .status")).to_have_text("Completed")
    page.locator("#main").focus()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Keyboard shortcuts")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def press_until_focused(page: Page, target: Any, *, key: str = "Tab") -> None:
    """Goes on with Tab, as a person does, 40 times at the most."""
    for _ in range(40):
        if target.evaluate("(element) => element === document.activeElement"):
            return
        page.keyboard.press(key)
    expect(target).to_be_focused()
