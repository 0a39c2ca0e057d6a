"""Starting one like another: what nobody touched is sent as it was."""

from typing import Any, Final

from playwright.sync_api import Page, expect

from tests.browser.addresses import instance
from tests.browser.shop import SHOP
from tests.browser.test_manage import action, dialog
from tests.conformance.hub import Hub

API: Final = f"/hubs/{SHOP}/api/orchestrations"
ODD: Final = {
    "name": "nobody's",
    "version": " 1.0 ",
    "tags": {"a=b": "c\nd", " blank ": " x "},
}


def start(page: Page, hub: Hub, **body: Any) -> str:
    """Starts an instance that no worker takes."""
    instance_id = hub.fresh("model")
    answer = page.request.post(API, data={**ODD, "instanceId": instance_id, **body})
    assert answer.status == 201, answer.text()
    return instance_id


def start_like(page: Page) -> dict[str, Any]:
    """Presses the button; what was started."""
    shown = page.url
    dialog(page).get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url(lambda url: url != shown)
    instance_id = page.locator("#instance").get_attribute("data-instance-id") or ""
    found: dict[str, Any] = page.request.get(f"{API}/{instance_id}").json()
    found |= page.request.get(f"{API}/{instance_id}/payloads").json()
    return {key: found[key] for key in ("name", "version", "tags", "input")}


def test_what_is_no_json_and_what_has_blanks_is_sent_as_it_was(page: Page, hub: Hub) -> None:
    odd = " base64:AAE= "
    page.goto(instance(start(page, hub, input=odd)))
    action(page, "Start one like this").click()
    expect(dialog(page)).to_contain_text("This is no JSON")
    assert start_like(page) == {**ODD, "input": odd}


def test_an_input_is_shown_with_indents_and_sent_as_it_was(page: Page, hub: Hub) -> None:
    page.goto(instance(start(page, hub, input='{"a":[1.0,2]}')))
    action(page, "Start one like this").click()
    area = dialog(page).get_by_label("Input")
    expect(area).to_have_value('{\n  "a": [\n    1.0,\n    2\n  ]\n}')
    assert start_like(page) == {**ODD, "input": '{"a":[1.0,2]}'}


def test_an_input_that_was_edited_is_formatted_on_demand(page: Page, hub: Hub) -> None:
    page.goto(instance(start(page, hub, input="1")))
    action(page, "Start one like this").click()
    area = dialog(page).get_by_label("Input")
    area.fill('{"b":2}')
    dialog(page).get_by_role("button", name="Format").click()
    expect(area).to_have_value('{\n  "b": 2\n}')
    assert start_like(page) == {**ODD, "input": '{\n  "b": 2\n}'}
