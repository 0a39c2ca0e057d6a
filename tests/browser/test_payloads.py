import re
from pathlib import Path
from typing import Final

from playwright.sync_api import Locator, Page, expect

from scripts.local_stack import LocalStack
from tests.browser.addresses import instance
from tests.browser.runs import submit
from tests.browser.shop import Shop
from tests.conformance.hub import Hub

LARGE_PARTS: Final = 30_000


def payload(page: Page, label: str) -> Locator:
    """A payload with its tools."""
    return page.locator("section.pv").filter(
        has=page.get_by_role("heading", name=label, exact=True)
    )


def step(page: Page, name: str) -> Locator:
    """A step in the tree at the left."""
    return page.get_by_role("treeitem").filter(has_text=name).first


def test_input_output_and_custom_status_are_shown_pretty(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.waiting, "io"))
    expect(payload(page, "Input").locator(".pv-code")).to_contain_text(
        re.compile(r'\{\n  "deep": \{\n    "er": \[\n')
    )
    expect(payload(page, "Output")).to_contain_text("It has not ended yet.")
    expect(payload(page, "Custom status").locator(".pv-code")).to_contain_text('"approval"')
    payload(page, "Input").get_by_role("button", name="Raw").click()
    expect(payload(page, "Input").locator(".pv-code")).to_have_text('{"deep": {"er": [1, 2, 3]}}')


def test_every_step_and_those_of_children_have_theirs(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.nested, "io"))
    step(page, "echoes").click()
    expect(payload(page, "Input").locator(".pv-code")).to_have_text('"level 3"')
    expect(payload(page, "Output").locator(".pv-code")).to_have_text('"level 3"')
    child = page.get_by_role("treeitem", level=2).filter(has_text="nests")
    child.locator(".tl-chevron").click()
    page.get_by_role("treeitem", level=3).filter(has_text="echoes").click()
    expect(payload(page, "Input").locator(".pv-code")).to_have_text('"level 2"')


def test_each_attempt_of_a_step_has_its_error_and_the_last_its_output(
    page: Page, shop: Shop
) -> None:
    page.goto(instance(shop.retried, "io"))
    step(page, "wavers").click()
    expect(payload(page, "Input").locator(".pv-code")).to_have_text("2")
    detail = page.locator(".io-detail")
    expect(detail).to_contain_text("Error of attempt 1")
    expect(detail).to_contain_text("attempt 2")
    expect(detail.locator(".pv-code").filter(has_text="in the end")).to_be_visible()


def test_steps_are_found_by_name(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.fanned, "io"))
    page.get_by_label("Find a step").fill("echo")
    expect(page.locator(".io-list").get_by_role("status")).to_have_text("120 entries")
    page.get_by_label("Find a step").fill("no such step")
    expect(page.locator(".io-list").get_by_role("status")).to_have_text("0 entries")


def test_a_payload_is_searched(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.waiting, "io"))
    page.get_by_label("Search in Input").fill("er")
    marks = payload(page, "Input").locator("mark")
    expect(marks).to_have_text(["er"])
    page.get_by_label("Search in Input").fill("nowhere")
    expect(payload(page, "Input").get_by_role("status")).to_have_text("none")


def test_a_payload_is_copied_with_one_click(page: Page, shop: Shop) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(instance(shop.tagged, "io"))
    expect(payload(page, "Input").locator(".pv-code")).to_have_text('"a text"')
    payload(page, "Input").get_by_role("button", name="Copy").click()
    expect(payload(page, "Input").get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == '"a text"'


def test_a_large_payload_is_cut_with_a_way_to_the_whole(page: Page, shop: Shop, hub: Hub) -> None:
    page.goto(instance(shop.large, "io"))
    output = payload(page, "Output")
    expect(output).to_contain_text(re.compile(r"The first \d+ % is shown"))
    expect(output.locator(".pv-code")).not_to_contain_text(str(LARGE_PARTS - 1))
    with page.expect_download() as download:
        output.get_by_role("button", name="Download").first.click()
    state = hub.client.get_orchestration_state(shop.large)
    assert state is not None
    assert download.value.path().read_text() == state.serialized_output
    output.get_by_role("button", name="Show all of it").click()
    expect(output.locator(".pv-code")).to_contain_text(str(LARGE_PARTS - 1))


def test_steps_are_walked_by_keyboard(page: Page, shop: Shop) -> None:
    page.goto(instance(shop.failed, "io"))
    expect(step(page, "declines")).to_be_visible()
    page.get_by_role("tree", name="Steps").focus()
    page.keyboard.press("End")
    expect(page.locator(".io-head h2")).to_have_text("declines")
    page.keyboard.press("Home")
    expect(page.locator(".io-head h2")).to_have_text("fails")


def test_the_custom_status_follows_and_the_rest_stays_as_the_reader_has_it(
    page: Page, hub: Hub
) -> None:
    instance_id = hub.client.schedule_new_orchestration("reports", input={"some": "thing"})
    hub.until_status(instance_id, "nothing yet")
    page.goto(instance(instance_id, "io"))
    custom = payload(page, "Custom status").locator(".pv-code")
    expect(custom).to_have_text('"nothing yet"')
    page.get_by_label("Search in Input").fill("thing")
    mark = payload(page, "Input").locator("mark")
    expect(mark).to_have_text("thing")
    found = mark.element_handle()
    hub.client.raise_orchestration_event(instance_id, "report", data="half of it")
    expect(custom).to_have_text('"half of it"')
    assert found.evaluate("(mark) => mark.isConnected")
    hub.client.raise_orchestration_event(instance_id, "report", data="done")
    expect(payload(page, "Output").locator(".pv-code")).to_contain_text('"thing"')
    expect(page.locator(".io-head .status")).to_have_text("Completed")
    assert found.evaluate("(mark) => mark.isConnected")


def test_what_lies_in_the_payload_store_is_shown_with_its_place(
    page: Page, hub: Hub, stack: LocalStack
) -> None:
    run = submit(stack, orders=600, batch_size=300, name="Grace")
    hub.ended(run)
    page.goto(instance(run, "io"))
    given = payload(page, "Input")
    expect(given.locator(".pv-code")).to_contain_text('"Grace"')
    expect(given.locator(".pv-place")).to_have_text(
        re.compile(r"In the payload store, \d+\.\d KiB: /.*/payloads/[0-9a-f]{2}/[0-9a-f]{64}\.")
    )
    step(page, "process_order_batch").click()
    expect(payload(page, "Input").locator(".pv-code")).to_contain_text('"Grace"')
    expect(payload(page, "Input").locator(".pv-place")).to_contain_text("In the payload store")
    page.goto(instance(run, "history"))
    page.get_by_role("row").filter(has_text="ExecutionStarted").click()
    opened = page.locator(".hs-detail .pv-code")
    expect(opened).to_contain_text(re.compile(r'"input": "file:v1:[0-9a-f]{64}"'))
    expect(opened).to_contain_text(re.compile(r'"executionStarted.input": \d{5}'))


def test_a_payload_that_is_missing_is_said_to_be(page: Page, hub: Hub, stack: LocalStack) -> None:
    run = submit(stack, orders=300, batch_size=300, name="Missing")
    hub.ended(run)
    state = hub.client.get_orchestration_state(run)
    assert state is not None
    token = state.serialized_input
    assert token is not None
    Path(stack.environment["PAYLOAD_STORE"], token[8:10], token[8:]).unlink()
    page.goto(instance(run, "io"))
    given = payload(page, "Input")
    expect(given.locator(".pv-code")).to_have_text(token)
    expect(given.locator(".pv-place")).to_contain_text("Its content is not shown: there is no file")


def test_one_like_it_names_the_same_payload(page: Page, hub: Hub, stack: LocalStack) -> None:
    run = submit(stack, orders=300, batch_size=300, name="Again")
    hub.ended(run)
    page.goto(instance(run, "io"))
    page.get_by_role("button", name="Start one like this").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("It lies in the payload store")
    expect(dialog.get_by_label("Input")).to_have_value(re.compile(r"file:v1:[0-9a-f]{64}"))
    dialog.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator("#instance")).not_to_have_attribute("data-instance-id", run)
    other = page.locator("#instance").get_attribute("data-instance-id") or ""
    hub.ended(other)
    page.goto(instance(other, "io"))
    expect(payload(page, "Output").locator(".pv-code")).to_contain_text("revenue")


def test_escaped_letters_are_shown_as_they_read_and_raw_as_they_are(page: Page, hub: Hub) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    instance_id = hub.client.schedule_new_orchestration("quick", input={"name": "김민준"})
    hub.ended(instance_id)
    page.goto(instance(instance_id, "io"))
    given = payload(page, "Input")
    shown = '{\n  "name": "김민준"\n}'
    expect(given.locator(".pv-code")).to_have_text(shown)
    page.get_by_label("Search in Input").fill("민준")
    expect(given.locator("mark")).to_have_text("민준")
    given.get_by_role("button", name="Copy").click()
    expect(given.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == shown
    given.get_by_role("button", name="Raw").click()
    raw = '{"name": "\\uae40\\ubbfc\\uc900"}'
    expect(given.locator(".pv-code")).to_have_text(raw)
    expect(given.get_by_role("button", name="Copied")).to_have_count(0)
    given.get_by_role("button", name="Copy").click()
    expect(given.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == raw
