import re
from typing import Final

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.addresses import instance, list_of
from tests.browser.shop import EMPTY, MUSEUM, MUSEUM_CHILDREN, MUSEUM_ROOTS, SHOP, Shop
from tests.browser.watch import Watch
from tests.conformance.hub import Hub

pytestmark = pytest.mark.usefixtures("museum")

ROOTS: Final = sum(MUSEUM_ROOTS.values())
LIST: Final = list_of(MUSEUM)


def rows(page: Page) -> Locator:
    """The rows of the list."""
    return page.locator("#rows > tr")


def ids(page: Page) -> list[str]:
    """The instance ids of the rows, from the top."""
    return [str(row.get_attribute("data-id")) for row in rows(page).all()]


def chips(page: Page) -> Locator:
    """The filters that are on."""
    return page.locator("#chips .chip .cut")


def count_of(page: Page, word: str) -> Locator:
    """The clickable count of a status."""
    return page.get_by_role("navigation", name="By status").get_by_role("link", name=word)


def test_the_start_page_is_the_first_hubs_list(page: Page) -> None:
    page.goto("/")
    expect(page).to_have_url(re.compile(rf"/hubs/{SHOP}/orchestrations$"))
    expect(page.get_by_role("heading", name="Orchestrations", exact=True)).to_be_visible()


def test_counts_by_status_are_of_the_whole_hub_without_sub_orchestrations(page: Page) -> None:
    page.goto(LIST)
    expect(count_of(page, "All").locator("b")).to_have_text(str(ROOTS))
    for word, count in MUSEUM_ROOTS.items():
        expect(count_of(page, word).locator("b")).to_have_text(str(count))


@pytest.mark.parametrize("word", MUSEUM_ROOTS)
def test_a_count_leads_to_what_it_counts_and_back(page: Page, word: str) -> None:
    page.goto(LIST)
    count_of(page, word).click()
    expect(page).to_have_url(re.compile(rf"\?status={word.lower()}$"))
    expect(chips(page)).to_have_text([word])
    expect(rows(page)).to_have_count(min(MUSEUM_ROOTS[word], 50))
    statuses = {row.get_attribute("data-status") for row in rows(page).all()}
    assert statuses == {word.lower()}
    # A status is its colour, its icon and its word.
    expect(rows(page).first.locator("td").nth(1)).to_have_text(word)
    count_of(page, word).click()
    expect(page).to_have_url(re.compile(r"/orchestrations$"))
    expect(chips(page)).to_have_count(0)


def test_counts_together_show_several_statuses(page: Page) -> None:
    page.goto(LIST)
    count_of(page, "Failed").click()
    expect(chips(page)).to_have_text(["Failed"])
    count_of(page, "Terminated").click(modifiers=["Shift"])
    expect(chips(page)).to_have_text(["Failed", "Terminated"])
    expect(rows(page)).to_have_count(MUSEUM_ROOTS["Failed"] + MUSEUM_ROOTS["Terminated"])


def test_the_name_is_a_filter(page: Page) -> None:
    page.goto(LIST)
    page.get_by_label("Name", exact=True).select_option("has_waiting_child")
    expect(chips(page)).to_have_text(["Name is has_waiting_child"])
    expect(rows(page)).to_have_count(2)
    assert ids(page) == ["parent-1", "parent-0"]
    expect(page).to_have_url(re.compile(r"\?name=has_waiting_child$"))


def test_the_beginning_of_the_id_is_a_filter(page: Page) -> None:
    page.goto(LIST)
    page.get_by_label("Id begins with").fill("order-00")
    page.get_by_label("Id begins with").press("Enter")
    expect(chips(page)).to_have_text(["Id begins with order-00"])
    expect(rows(page)).to_have_count(10)
    assert set(ids(page)) == {f"order-00{n}" for n in range(10)}


def test_the_created_range_is_a_filter(page: Page) -> None:
    page.goto(LIST)
    page.get_by_label("Created", exact=True).select_option("1h")
    expect(chips(page)).to_have_text(["Last hour"])
    expect(rows(page)).to_have_count(50)
    page.goto(f"{LIST}?from=2020-01-01T00:00Z&to=2020-02-01T00:00Z")
    expect(chips(page)).to_have_count(2)
    expect(rows(page)).to_have_count(0)
    expect(page.locator("#empty")).to_contain_text("No orchestration matches these filters")
    page.get_by_role("link", name="Clear all filters").click()
    expect(rows(page)).to_have_count(50)


def test_a_range_is_told_in_the_zone_that_is_chosen_in_any_tab(page: Page) -> None:
    page.goto(f"{LIST}?to=2020-01-02T00:00:00Z")
    expect(chips(page)).to_have_text("Created until 2020-01-02 01:00:00")
    other = page.context.new_page()
    other.goto(LIST)
    other.locator("#display > summary").click()
    other.get_by_label("UTC").check()
    expect(chips(page)).to_have_text("Created until 2020-01-02 00:00:00 UTC")
    page.locator("#display > summary").click()
    expect(page.get_by_label("UTC")).to_be_checked()


def test_the_counts_stand_on_one_line_and_say_what_they_count(page: Page) -> None:
    for width in (1280, 1130, 1100, 1000, 870):
        page.set_viewport_size({"width": width, "height": 720})
        page.goto(LIST)
        counts = page.get_by_role("navigation", name="in this task hub")
        tops = counts.evaluate(
            "(nav) => [...nav.children].map((one) => Math.round(one.getBoundingClientRect().top))"
        )
        assert len(set(tops)) == 1, width


def test_a_range_of_ones_own_is_typed_in_the_zone_that_is_shown(page: Page) -> None:
    page.goto(LIST)
    page.get_by_label("Created", exact=True).select_option("custom")
    page.get_by_label("Created from").fill("2020-01-01T00:00:00")
    page.get_by_label("Created until").fill("2020-01-02T00:00:00")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#empty")).to_contain_text("No orchestration matches these filters")
    # Zurich is an hour ahead in winter.
    expect(page).to_have_url(re.compile(r"from=2019-12-31T23%3A00(%3A00)?(\.000)?Z"))


def test_sub_orchestrations_are_hidden_until_asked_for(page: Page) -> None:
    page.goto(LIST)
    page.get_by_label("Sub-orchestrations").check()
    expect(count_of(page, "All").locator("b")).to_have_text(str(ROOTS + MUSEUM_CHILDREN))
    expect(chips(page)).to_have_text(["With sub-orchestrations"])
    child = page.locator('#rows > tr[data-id="parent-0.child"]')
    expect(child).to_be_visible()
    child.get_by_role("link", name="Parent of parent-0.child").click()
    expect(page).to_have_url(re.compile(r"/orchestrations/parent-0"))


def test_every_filter_is_a_chip_that_takes_it_away_and_all_go_at_once(page: Page) -> None:
    page.goto(f"{LIST}?status=completed&name=quick&prefix=order&from=24h&sub=1")
    expect(chips(page)).to_have_text(
        [
            "Completed",
            "Name is quick",
            "Id begins with order",
            "Last 24 hours",
            "With sub-orchestrations",
        ]
    )
    page.locator("#chips .chip", has_text="Name is quick").click()
    expect(chips(page)).to_have_count(4)
    expect(page).not_to_have_url(re.compile("name="))
    page.get_by_role("link", name="Clear all").click()
    expect(chips(page)).to_have_count(0)
    expect(page).to_have_url(re.compile(r"/orchestrations$"))
    expect(page.get_by_label("Id begins with")).to_have_value("")
    expect(page.get_by_label("Sub-orchestrations")).not_to_be_checked()


def test_back_brings_the_filters_back(page: Page) -> None:
    page.goto(LIST)
    count_of(page, "Completed").click()
    expect(chips(page)).to_have_text(["Completed"])
    page.get_by_label("Id begins with").fill("order-01")
    page.get_by_label("Id begins with").press("Enter")
    expect(rows(page)).to_have_count(10)
    page.get_by_role("link", name="order-010").click()
    expect(page.get_by_role("heading", name="quick")).to_be_visible()
    page.go_back()
    expect(chips(page)).to_have_text(["Completed", "Id begins with order-01"])
    expect(rows(page)).to_have_count(10)
    page.go_back()
    expect(chips(page)).to_have_text(["Completed"])
    page.go_forward()
    expect(chips(page)).to_have_text(["Completed", "Id begins with order-01"])


def test_the_breadcrumb_leads_back_to_the_list_as_it_was(page: Page) -> None:
    page.goto(f"{LIST}?status=failed&sort=id&dir=asc")
    page.get_by_role("link", name="bad-0").click()
    back = page.get_by_role("navigation", name="Breadcrumb").get_by_role(
        "link", name="Orchestrations"
    )
    expect(back).to_have_attribute("href", re.compile("status=failed"))
    back.click()
    expect(page).to_have_url(re.compile(r"status=failed.*sort=id"))


def test_views_are_saved_and_found_again_and_forgotten(page: Page) -> None:
    page.goto(f"{LIST}?status=failed")
    page.locator("#saved > summary").click()
    page.get_by_label("Name of this view").fill("What went wrong")
    page.get_by_role("button", name="Save").click()
    page.goto(LIST)
    page.locator("#saved > summary").click()
    page.get_by_role("link", name="What went wrong").click()
    expect(chips(page)).to_have_text(["Failed"])
    page.reload()
    page.locator("#saved > summary").click()
    page.get_by_role("button", name="Forget What went wrong").click()
    expect(page.get_by_role("link", name="What went wrong")).to_have_count(0)


@pytest.mark.parametrize(
    ("heading", "first", "turned"),
    [
        ("Instance id", "approval-0", "stopped-1"),
        ("Name", "bad-", "waits"),
        ("Created", "pending-4", "order-000"),
    ],
)
def test_a_heading_sorts_and_turns_around(
    page: Page, heading: str, first: str, turned: str
) -> None:
    start = LIST if heading != "Created" else f"{LIST}?sort=id&dir=asc"
    page.goto(start)
    link = page.get_by_role("columnheader", name=heading).get_by_role("link")
    link.click()
    header = page.get_by_role("columnheader", name=heading)
    expect(header).to_have_attribute("aria-sort", re.compile("ascending|descending"))
    way = header.get_attribute("aria-sort")
    expect(rows(page).first).to_contain_text(first)
    link.click()
    expect(header).not_to_have_attribute("aria-sort", way or "")
    expect(rows(page).first).to_contain_text(turned)


def test_pages_follow_one_another_and_show_every_instance_once(page: Page) -> None:
    page.goto(f"{LIST}?sort=id&dir=asc")
    seen = ids(page)
    assert len(seen) == 50
    page.get_by_role("link", name="Next 50").click()
    expect(rows(page)).to_have_count(ROOTS - 50)
    seen += ids(page)
    assert len(set(seen)) == len(seen) == ROOTS
    assert seen == sorted(seen)
    page.get_by_role("link", name="First page").click()
    expect(rows(page)).to_have_count(50)


def test_times_are_relative_with_the_absolute_one_as_a_tooltip(page: Page) -> None:
    page.goto(LIST)
    time = rows(page).first.locator("time").first
    expect(time).to_have_text(re.compile(r"just now|\d+ (s|m|min|h|seconds?|minutes?) ago"))
    expect(time).to_have_attribute("title", re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}"))


def test_a_slash_opens_an_instance_by_its_id(page: Page) -> None:
    page.goto(LIST)
    page.keyboard.press("/")
    field = page.get_by_label("Open by instance id")
    expect(field).to_be_focused()
    expect(field).to_have_value("")
    field.fill("order-042")
    field.press("Enter")
    expect(page).to_have_url(re.compile(r"/orchestrations/order-042"))


def test_the_beginning_of_an_id_opens_what_begins_with_it(page: Page) -> None:
    page.goto(LIST)
    page.get_by_label("Open by instance id").fill("parent-")
    page.get_by_label("Open by instance id").press("Enter")
    expect(rows(page)).to_have_count(2 + MUSEUM_CHILDREN)
    page.get_by_label("Open by instance id").fill("nobody has this")
    page.get_by_label("Open by instance id").press("Enter")
    expect(page.locator("#empty")).to_contain_text("nobody has this")


def test_an_id_with_every_awkward_character_is_opened(page: Page, shop: Shop) -> None:
    page.goto(list_of())
    page.get_by_label("Open by instance id").fill(shop.hostile)
    page.get_by_label("Open by instance id").press("Enter")
    expect(page.locator("#instance")).to_have_attribute("data-instance-id", shop.hostile)


def test_new_rows_are_offered_and_not_pushed_under_the_readers_eyes(page: Page, hub: Hub) -> None:
    prefix = hub.fresh("offered")
    hub.client.schedule_new_orchestration("nobody", instance_id=f"{prefix}-0")
    page.goto(list_of(query=f"prefix={prefix}"))
    expect(rows(page)).to_have_count(1)
    for number in range(1, 4):
        hub.client.schedule_new_orchestration("nobody", instance_id=f"{prefix}-{number}")
    offer = page.locator("#offer")
    expect(offer).to_have_text(re.compile(r"3 new"))
    expect(rows(page)).to_have_count(1)
    offer.click()
    expect(rows(page)).to_have_count(4)
    expect(offer).to_be_hidden()


def test_a_row_changes_in_place_when_its_instance_does(page: Page, hub: Hub) -> None:
    instance_id = hub.client.schedule_new_orchestration(
        "waits", input=1, instance_id=hub.fresh("changing")
    )
    page.goto(list_of(query=f"prefix={instance_id}"))
    row = rows(page)
    expect(row).to_have_attribute("data-status", "running")
    hub.client.raise_orchestration_event(instance_id, "approval", data="yes")
    expect(row).to_have_attribute("data-status", "completed")


def test_an_empty_hub_says_what_to_do_next(page: Page) -> None:
    page.goto(list_of(EMPTY))
    expect(page.locator("#empty")).to_contain_text("No orchestrations in this task hub yet")
    expect(page.locator("#empty pre")).to_have_text(f"make submit LOCAL=1 TASKHUB={EMPTY}")


def test_the_header_leads_to_the_other_task_hubs(page: Page) -> None:
    page.goto(list_of(SHOP))
    page.locator("#hubs > summary").click()
    page.locator("#hubs").get_by_role("link", name=MUSEUM).click()
    expect(page).to_have_url(re.compile(rf"/hubs/{MUSEUM}/orchestrations$"))
    expect(count_of(page, "All").locator("b")).to_have_text(str(ROOTS))


def test_the_menu_of_task_hubs_counts_when_it_is_opened(page: Page, hub: Hub) -> None:
    page.goto(list_of(SHOP))
    shown = page.locator(f"#hubs a[data-id='{SHOP}'] .caption")
    before = int((shown.text_content() or "").split()[0].replace(",", ""))
    run = hub.fresh("counted")
    hub.client.schedule_new_orchestration("waits", input=1, instance_id=run)
    hub.until_status(run, {"waiting for": "approval"})
    page.locator("#hubs > summary").click()
    expect(shown).to_contain_text(f"{before + 1:,} orchestrations")


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        (f"{LIST}?status=gone", 400, "status="),
        (f"{LIST}?cursor=x", 400, "cursor"),
        (f"{LIST}?from=yesterday", 400, "from="),
        (f"{LIST}?sort=price", 400, "sort="),
        (list_of("nowhere"), 404, "Task hub not found: nowhere"),
        (instance("nobody", hub=MUSEUM), 404, "nobody"),
        (instance("x" * 101, hub=MUSEUM), 400, ""),
        ("/hubs/museum/elsewhere", 404, ""),
    ],
)
def test_a_bad_address_is_a_clear_refusal_on_the_page_too(
    page: Page, watch: Watch, address: str, status: int, said: str
) -> None:
    watch.tolerated.append(f"status of {status}")
    answer = page.goto(address)
    assert answer is not None
    assert answer.status == status
    expect(page.locator("main")).to_contain_text(said)
    expect(page.get_by_role("heading").first).to_be_visible()
