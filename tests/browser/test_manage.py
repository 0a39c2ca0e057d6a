import re
from typing import Any, Final

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.addresses import instance, list_of
from tests.browser.shop import Shop, until
from tests.browser.watch import Watch
from tests.conformance.hub import Hub

# Which actions there are in which status; the others are disabled and say why.
ALLOWED: Final = {
    "Running": {"Suspend", "Raise event", "Restart", "Terminate", "Start one like this"},
    "Completed": {"Restart", "Purge", "Start one like this"},
    "Failed": {"Restart", "Rewind", "Purge", "Start one like this"},
}


def waiting(hub: Hub, prefix: str = "managed") -> str:
    """A fresh instance that waits for an approval."""
    instance_id = hub.fresh(prefix)
    hub.client.schedule_new_orchestration("waits", input=1, instance_id=instance_id)
    hub.until_status(instance_id, {"waiting for": "approval"})
    return instance_id


def action(page: Page, name: str) -> Locator:
    """A button of the head."""
    return page.get_by_role("group", name="Actions").get_by_role("button", name=name, exact=True)


def status(page: Page) -> Locator:
    """What the head says."""
    return page.locator("#head .status")


def toast(page: Page) -> Locator:
    """What was said last."""
    return page.locator("#toasts")


def dialog(page: Page) -> Locator:
    """The question that is asked."""
    return page.get_by_role("dialog")


def state_of(hub: Hub, instance_id: str) -> Any:
    """The instance, as the scheduler has it."""
    return hub.client.get_orchestration_state(instance_id)


def test_suspend_and_resume(page: Page, hub: Hub) -> None:
    instance_id = waiting(hub)
    page.goto(instance(instance_id))
    action(page, "Suspend").click()
    expect(status(page)).to_have_text("Suspended")
    expect(toast(page)).to_contain_text("Suspended")
    expect(action(page, "Suspend")).to_have_attribute("aria-disabled", "true")
    action(page, "Resume").click()
    expect(status(page)).to_have_text("Running")


def test_an_event_is_raised_with_its_data(page: Page, hub: Hub) -> None:
    instance_id = waiting(hub)
    page.goto(instance(instance_id))
    action(page, "Raise event").click()
    dialog(page).get_by_role("button", name="Raise event").click()
    expect(dialog(page).get_by_role("alert")).to_contain_text("Event name is needed")
    dialog(page).get_by_label("Event name").fill("approval")
    dialog(page).get_by_label("Data").fill("{not json")
    dialog(page).get_by_role("button", name="Raise event").click()
    expect(dialog(page).get_by_role("alert")).to_contain_text("no JSON")
    dialog(page).get_by_label("Data").fill('{"by": "Ada"}')
    dialog(page).get_by_role("button", name="Raise event").click()
    expect(status(page)).to_have_text("Completed")
    assert state_of(hub, instance_id).get_output() == {"by": "Ada"}


def test_terminate_asks_first_and_takes_the_children_along(page: Page, hub: Hub) -> None:
    parent = hub.fresh("terminated")
    hub.client.schedule_new_orchestration("has_waiting_child", input=1, instance_id=parent)
    hub.until_status(f"{parent}.child", {"waiting for": "approval"})
    page.goto(instance(parent))
    action(page, "Terminate").click()
    expect(dialog(page)).to_contain_text("It ends now, as terminated.")
    expect(dialog(page)).to_contain_text(parent)
    expect(dialog(page).get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog(page)).to_have_count(0)
    expect(status(page)).to_have_text("Running")
    action(page, "Terminate").click()
    expect(
        dialog(page).get_by_label("Terminate its running sub-orchestrations too")
    ).to_be_checked()
    dialog(page).get_by_label("Output").fill('"no more"')
    dialog(page).get_by_role("button", name="Terminate").click()
    expect(status(page)).to_have_text("Terminated")
    assert state_of(hub, parent).get_output() == "no more"
    hub.until_it_is("TERMINATED", f"{parent}.child")


def test_purge_says_that_nothing_comes_back_and_leads_to_the_list(page: Page, hub: Hub) -> None:
    instance_id = hub.ran("quick", input=1, instance_id=hub.fresh("purged")).instance_id
    page.goto(instance(instance_id))
    action(page, "Purge").click()
    expect(dialog(page)).to_contain_text("cannot be brought back")
    dialog(page).get_by_role("button", name="Purge").click()
    expect(page).to_have_url(re.compile(r"/orchestrations(\?|$)"))
    expect(toast(page)).to_contain_text(f"Purged {instance_id}")
    assert state_of(hub, instance_id) is None


@pytest.mark.parametrize("is_new", [True, False])
def test_restart_under_a_new_id_or_the_same(page: Page, hub: Hub, *, is_new: bool) -> None:
    instance_id = hub.ran("quick", input="again", instance_id=hub.fresh("restarted")).instance_id
    page.goto(instance(instance_id))
    before = page.locator("#head").get_attribute("data-execution-id")
    action(page, "Restart").click()
    dialog(page).get_by_label("Under a new instance id").set_checked(is_new)
    dialog(page).get_by_role("button", name="Restart").click()
    if is_new:
        expect(page.locator("#head")).not_to_have_attribute("data-instance-id", instance_id)
    expect(page.locator("#head")).not_to_have_attribute("data-execution-id", before or "")
    expect(status(page)).to_have_text("Completed")
    shown = page.locator("#head").get_attribute("data-instance-id") or ""
    assert (shown != instance_id) == is_new
    assert state_of(hub, shown).get_input() == "again"


def test_rewind_tries_what_failed_again(page: Page, hub: Hub) -> None:
    instance_id = hub.ran("fails", input=1, instance_id=hub.fresh("rewound")).instance_id
    page.goto(instance(instance_id, "history"))
    before = page.locator("#head").get_attribute("data-execution-id")
    action(page, "Rewind").click()
    expect(dialog(page)).to_contain_text("what has succeeded is kept")
    dialog(page).get_by_label("Reason").fill("the shelf is full again")
    dialog(page).get_by_role("button", name="Rewind").click()
    expect(page.locator("#head")).not_to_have_attribute("data-execution-id", before or "")
    expect(page.locator(".hs-row").filter(has_text="ExecutionRewound")).to_be_visible()
    # Its activity fails again, as it always does.
    expect(status(page)).to_have_text("Failed")


def test_a_new_one_is_started_with_everything_that_one_can_say(page: Page, hub: Hub) -> None:
    instance_id = hub.fresh("started")
    page.goto(list_of())
    page.get_by_role("button", name="Start new").first.click()
    ask = dialog(page)
    ask.get_by_role("button", name="Start", exact=True).click()
    expect(ask.get_by_role("alert")).to_contain_text("Name is needed")
    ask.get_by_label("Name", exact=True).fill("quick")
    ask.get_by_label("Instance id").fill(instance_id)
    ask.get_by_label("Version").fill("3.0")
    ask.get_by_label("Input").fill('{"a": 1}')
    ask.get_by_label("Tags").fill("who=Ada\nwhy=a test")
    ask.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator("#instance")).to_have_attribute("data-instance-id", instance_id)
    expect(toast(page)).to_contain_text(f"Started {instance_id}")
    expect(status(page)).to_have_text("Completed")
    expect(page.locator("#head .chip")).to_have_text(["who=Ada", "why=a test"])
    assert state_of(hub, instance_id).get_input() == {"a": 1}


def test_one_that_is_to_start_later_waits(page: Page, hub: Hub) -> None:
    instance_id = hub.fresh("later")
    page.goto(list_of())
    page.get_by_role("button", name="Start new").first.click()
    dialog(page).get_by_label("Name", exact=True).fill("quick")
    dialog(page).get_by_label("Instance id").fill(instance_id)
    dialog(page).get_by_label("Start at").fill("2099-01-01T12:00:00")
    dialog(page).get_by_role("button", name="Start", exact=True).click()
    expect(status(page)).to_have_text("Pending")
    expect(page.locator("#head")).to_contain_text("2099-01-01 12:00:00")


def test_an_id_that_is_taken_is_refused_in_the_dialog(page: Page, shop: Shop, watch: Watch) -> None:
    watch.tolerated.append("status of 409")
    page.goto(list_of())
    page.get_by_role("button", name="Start new").first.click()
    dialog(page).get_by_label("Name", exact=True).fill("quick")
    dialog(page).get_by_label("Instance id").fill(shop.tagged)
    dialog(page).get_by_role("button", name="Start", exact=True).click()
    expect(dialog(page).get_by_role("alert")).to_contain_text(shop.tagged)
    dialog(page).get_by_role("button", name="Cancel").click()
    expect(dialog(page)).to_have_count(0)


def test_one_like_another_has_its_name_version_input_and_tags(
    page: Page, shop: Shop, hub: Hub
) -> None:
    page.goto(instance(shop.tagged))
    action(page, "Start one like this").click()
    expect(dialog(page).get_by_label("Name", exact=True)).to_have_value("quick")
    expect(dialog(page).get_by_label("Version")).to_have_value("2.1.0")
    expect(dialog(page).get_by_label("Input")).to_have_value('"a text"')
    expect(dialog(page).get_by_label("Tags")).to_have_value(
        re.compile(r"customer=Ada\s+priority=high|priority=high\s+customer=Ada")
    )
    dialog(page).get_by_role("button", name="Start", exact=True).click()
    expect(page.locator("#instance")).not_to_have_attribute("data-instance-id", shop.tagged)
    other = page.locator("#instance").get_attribute("data-instance-id") or ""
    assert state_of(hub, other).get_input() == "a text"


@pytest.mark.parametrize(
    ("which", "word"), [("waiting", "Running"), ("tagged", "Completed"), ("failed", "Failed")]
)
def test_what_cannot_be_done_is_disabled_with_the_reason(
    page: Page, shop: Shop, which: str, word: str
) -> None:
    page.goto(instance(getattr(shop, which)))
    expect(status(page)).to_have_text(word)
    for button in page.get_by_role("group", name="Actions").get_by_role("button").all():
        name = button.inner_text().strip()
        if name in ALLOWED[word]:
            expect(button).to_be_enabled()
            continue
        expect(button).to_be_disabled()
        reason = button.get_attribute("title") or ""
        assert reason
        button.dispatch_event("click")
        expect(toast(page)).to_contain_text(reason)


def pick(page: Page, ids: list[str]) -> None:
    """Selects rows."""
    for instance_id in ids:
        page.get_by_role("checkbox", name=f"Select {instance_id}").check()
    expect(page.locator("#bulk")).to_contain_text(f"{len(ids)} selected")


def several(hub: Hub, prefix: str, count: int, *, started: bool = True) -> list[str]:
    """So many instances that wait, or of an orchestrator that nobody has."""
    ids = [f"{prefix}-{number}" for number in range(count)]
    for instance_id in ids:
        name = "waits" if started else "nobody"
        hub.client.schedule_new_orchestration(name, input=1, instance_id=instance_id)
    if started:
        for instance_id in ids:
            hub.until_status(instance_id, {"waiting for": "approval"})
    return ids


def outcomes(page: Page) -> Locator:
    """The result of each."""
    return dialog(page).locator(".outcomes li")


def finish(page: Page, done: int, refused: int = 0) -> None:
    """Waits for the bar to be full, and closes it."""
    expect(outcomes(page)).to_have_count(done + refused)
    expect(dialog(page).get_by_role("status")).to_have_text(
        f"{done} done, {refused} refused, 0 left"
    )
    expect(dialog(page).get_by_role("progressbar")).to_have_js_property("value", done + refused)
    dialog(page).get_by_role("button", name="Close").click()
    expect(dialog(page)).to_have_count(0)
    expect(page.locator("#bulk")).to_be_hidden()


def test_many_are_suspended_resumed_and_terminated(page: Page, hub: Hub) -> None:
    prefix = hub.fresh("many")
    ids = several(hub, prefix, 3)
    page.goto(list_of(query=f"prefix={prefix}"))
    for button, status_then in (("Suspend", "suspended"), ("Resume", "running")):
        pick(page, ids)
        page.locator("#bulk").get_by_role("button", name=button).click()
        dialog(page).get_by_role("button", name=f"{button} 3").click()
        finish(page, 3)
        expect(page.locator(f'#rows tr[data-status="{status_then}"]')).to_have_count(3)
    page.locator("#pick-all").check()
    page.locator("#bulk").get_by_role("button", name="Terminate").click()
    expect(dialog(page)).to_contain_text("Terminate 3 orchestrations?")
    dialog(page).get_by_role("button", name="Terminate 3").click()
    finish(page, 3)
    expect(page.locator('#rows tr[data-status="terminated"]')).to_have_count(3)


def test_an_event_is_raised_for_many(page: Page, hub: Hub) -> None:
    prefix = hub.fresh("approved")
    ids = several(hub, prefix, 3)
    page.goto(list_of(query=f"prefix={prefix}"))
    pick(page, ids)
    page.locator("#bulk").get_by_role("button", name="Raise event").click()
    dialog(page).get_by_label("Event name").fill("approval")
    dialog(page).get_by_label("Data").fill('"all"')
    dialog(page).get_by_role("button", name="Raise event 3").click()
    finish(page, 3)
    expect(page.locator('#rows tr[data-status="completed"]')).to_have_count(3)
    assert {state_of(hub, one).get_output() for one in ids} == {"all"}


def test_many_are_restarted_rewound_and_purged(page: Page, hub: Hub) -> None:
    prefix = hub.fresh("failing")
    ids = [f"{prefix}-{number}" for number in range(3)]
    for instance_id in ids:
        hub.client.schedule_new_orchestration("fails", input=1, instance_id=instance_id)
    for instance_id in ids:
        hub.ended(instance_id)
    page.goto(list_of(query=f"prefix={prefix}"))
    for button in ("Rewind", "Restart"):
        pick(page, ids)
        page.locator("#bulk").get_by_role("button", name=button).click()
        if button == "Restart":
            dialog(page).get_by_label("Under a new instance id").uncheck()
        dialog(page).get_by_role("button", name=f"{button} 3").click()
        finish(page, 3)
        for instance_id in ids:
            hub.until_it_is("FAILED", instance_id)
    page.locator("#pick-all").check()
    page.locator("#bulk").get_by_role("button", name="Purge").click()
    expect(dialog(page)).to_contain_text("cannot be brought back")
    dialog(page).get_by_role("button", name="Purge 3").click()
    finish(page, 3)
    expect(page.locator("#empty")).to_be_visible()
    until(lambda: all(state_of(hub, one) is None for one in ids))


def test_each_of_many_has_a_result_of_its_own(page: Page, hub: Hub) -> None:
    prefix = hub.fresh("mixed")
    [running] = several(hub, f"{prefix}-a", 1)
    ended = hub.ran("quick", input=1, instance_id=f"{prefix}-b").instance_id
    page.goto(list_of(query=f"prefix={prefix}"))
    pick(page, [running, ended])
    page.locator("#bulk").get_by_role("button", name="Purge").click()
    dialog(page).get_by_role("button", name="Purge 2").click()
    good = outcomes(page).filter(has_text=ended)
    bad = outcomes(page).filter(has_text=running)
    expect(good).to_contain_text("Done")
    expect(bad).to_contain_text("Refused")
    expect(bad.locator(".muted")).not_to_be_empty()
    finish(page, 1, 1)


def test_a_hundred_go_through_in_pieces_behind_a_bar(page: Page, hub: Hub) -> None:
    prefix = hub.fresh("hundred")
    several(hub, prefix, 100, started=False)
    page.goto(list_of(query=f"prefix={prefix}&count=100"))
    page.locator("#pick-all").check()
    page.locator("#bulk").get_by_role("button", name="Terminate").click()
    dialog(page).get_by_role("button", name="Terminate 100").click()
    finish(page, 100)
    expect(page.locator('#rows tr[data-status="terminated"]')).to_have_count(100)


def test_the_rest_of_many_can_be_cancelled(page: Page, hub: Hub) -> None:
    prefix = hub.fresh("cancelled")
    ids = several(hub, prefix, 60, started=False)
    page.goto(list_of(query=f"prefix={prefix}&count=100"))
    # The first piece is held until the reader has thought better of it.
    held: list[Any] = []
    page.route("**/api/orchestrations/bulk", lambda route: held.append(route))  # noqa: PLW0108 - Playwright cannot call a built-in method
    page.locator("#pick-all").check()
    page.locator("#bulk").get_by_role("button", name="Terminate").click()
    dialog(page).get_by_role("button", name="Terminate 60").click()
    dialog(page).get_by_role("button", name="Cancel the rest").click()
    held.pop().continue_()
    expect(dialog(page).get_by_role("status")).to_have_text("25 done, 0 refused, 35 left")
    dialog(page).get_by_role("button", name="Close").click()
    assert held == []
    still = [one for one in ids if state_of(hub, one).runtime_status.name == "PENDING"]
    assert len(still) == 35


def test_a_selection_is_made_with_shift_and_by_keyboard(page: Page, hub: Hub) -> None:
    prefix = hub.fresh("picked")
    several(hub, prefix, 5, started=False)
    page.goto(list_of(query=f"prefix={prefix}&sort=id&dir=asc"))
    page.get_by_role("checkbox", name=f"Select {prefix}-1").click()
    page.get_by_role("checkbox", name=f"Select {prefix}-3").click(modifiers=["Shift"])
    expect(page.locator("#bulk")).to_contain_text("3 selected")
    page.keyboard.press("Escape")
    expect(page.locator("#bulk")).to_be_hidden()
    page.keyboard.press("k")
    page.keyboard.press("x")
    page.keyboard.press("k")
    page.keyboard.press("x")
    expect(page.locator("#bulk")).to_contain_text("2 selected")
    expect(page.get_by_role("checkbox", name=f"Select {prefix}-1")).to_be_checked()


def test_a_selection_outlives_what_changes_in_the_list(page: Page, hub: Hub) -> None:
    prefix = hub.fresh("kept")
    ids = several(hub, prefix, 2)
    page.goto(list_of(query=f"prefix={prefix}"))
    pick(page, [ids[0]])
    hub.client.raise_orchestration_event(ids[0], "approval", data=1)
    expect(page.locator(f'tr[data-id="{ids[0]}"]')).to_have_attribute("data-status", "completed")
    expect(page.get_by_role("checkbox", name=f"Select {ids[0]}")).to_be_checked()
