"""`make screenshots`: the dashboard's pictures in docs/images, of a stack with real runs in it.

They show a run of 1,000 orders, one that failed, and a list with something in every status.
"""

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote

import httpx
from playwright.sync_api import Browser, Page, expect, sync_playwright

from scripts.local_stack import ROOT, LocalStack, StackError
from scripts.pictures import smaller

_IMAGES: Final = ROOT / "docs" / "images"
_CHROMIUM: Final = Path("/usr/bin/chromium")
# A page of a repository is read on the move, too.
_IMAGE_BYTES_MAX: Final = 100_000
_SECONDS_MAX: Final = 60.0
_LOOK_SECONDS: Final = 0.05
_ORDERS: Final = re.compile(r"process_order . \d+")
_RUN: Final = "orders-of-the-day"
_FAILED: Final = "orders-of-monday"
_SETTINGS: Final = {"PROCESSING_MS": "60", "DTS_TASK_HUB_NAMES": "default,warehouse"}


def main() -> int:
    """Takes all pictures; 1 when something is missing."""
    if not _CHROMIUM.exists():
        print(f"there is no {_CHROMIUM} to take pictures with", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="screenshots-") as name:
        try:
            with LocalStack(
                workers=3, logs=Path(name), environment=_SETTINGS, usual_ports=False, dashboard=True
            ) as stack:
                _fill(_Runs(stack, Path(name)))
                _take_all(stack.dashboard)
        except StackError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


class _Runs:
    """Starts runs and sees to it that they come to what a picture shows."""

    def __init__(self, stack: LocalStack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self._api = httpx.Client(
            base_url=f"http://127.0.0.1:{stack.http_port}/v1/taskhubs/orchestrations",
            headers={"x-taskhub": "default"},
        )

    def submit(self, instance_id: str, orders: int, *, batch_size: int) -> None:
        """Submits so many generated orders."""
        file = self._folder / f"{instance_id}.csv"
        with file.open("wb") as stream:
            self._client(stream, "generate", orders, "--seed", orders)
        options = ("--batch-size", batch_size, "--instance-id", instance_id, "--no-wait")
        self._client(subprocess.DEVNULL, "submit", file, *options)

    def change(self, instance_id: str, change: dict[str, object]) -> None:
        """Suspends, terminates, ... what is running by then."""
        self.until("RUNNING", instance_id)
        path = f"/{quote(instance_id, safe='')}/history"
        self._api.post(path, json=change).raise_for_status()

    def until(self, status: str, instance_id: str) -> None:
        """Waits until an orchestration has this status."""
        deadline = time.monotonic() + _SECONDS_MAX
        while self._status(instance_id) != status:
            if time.monotonic() > deadline:
                raise StackError(f"{instance_id} was not {status} in time")
            time.sleep(_LOOK_SECONDS)

    def _status(self, instance_id: str) -> str | None:
        found = self._api.get(f"/{quote(instance_id, safe='')}")
        if found.status_code == httpx.codes.NOT_FOUND:
            return None
        return str(found.raise_for_status().json()["status"]).removeprefix("ORCHESTRATION_STATUS_")

    def _client(self, output: IO[bytes] | int, *arguments: object) -> None:
        ran = subprocess.run(
            [sys.executable, "-m", "services.client", *map(str, arguments)],
            cwd=ROOT,
            env=self._stack.environment,
            stdout=output,
            stderr=subprocess.PIPE,
            check=False,
        )
        if ran.returncode:
            raise StackError(ran.stderr.decode(errors="replace"))


def _fill(runs: _Runs) -> None:
    """One run after the other, so that the list tells a story."""
    for number in range(1, 6):
        runs.submit(f"orders-of-week-{number}", 60 + 20 * number, batch_size=20)
        runs.until("COMPLETED", f"orders-of-week-{number}")
    runs.submit(_FAILED, 1_000, batch_size=100)
    runs.change(f"{_FAILED}:0003", {"executionTerminated": {"output": '"the shop is closed"'}})
    runs.until("FAILED", _FAILED)
    runs.submit(_RUN, 1_000, batch_size=100)
    runs.until("COMPLETED", _RUN)
    runs.submit("orders-on-hold", 600, batch_size=100)
    runs.change("orders-on-hold", {"executionSuspended": {"reason": "stocktaking"}})
    runs.submit("orders-called-off", 600, batch_size=100)
    runs.change("orders-called-off", {"executionTerminated": {"recurse": True}})
    runs.submit("orders-right-now", 4_000, batch_size=250)
    runs.until("RUNNING", "orders-right-now")


def _take_all(dashboard: str) -> None:
    _IMAGES.mkdir(parents=True, exist_ok=True)
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"]) as browser,
    ):
        start = f"{dashboard}/hubs/default/orchestrations"
        light, dark = _new_page(browser, dark=False), _new_page(browser, dark=True)
        _take(light, start, "list")
        _take(light, f"{start}/{_RUN}?tab=timeline", "timeline", _open_a_batch)
        _take(dark, f"{start}/{_RUN}?tab=timeline", "timeline-dark", _open_a_batch)
        _take(light, f"{start}/{_RUN}?tab=history", "history")
        _take(light, f"{start}/{_RUN}?tab=sequence", "sequence", _open_calls)
        _take(light, f"{start}/{_RUN}?tab=io", "input-output")
        _take(light, f"{start}/{_FAILED}?tab=failure", "failure", _close_the_trace)


def _new_page(browser: Browser, *, dark: bool) -> Page:
    return browser.new_page(
        viewport={"width": 1440, "height": 900},
        color_scheme="dark" if dark else "light",
        timezone_id="UTC",
        locale="en-GB",
    )


def _close_the_trace(page: Page) -> None:
    """It names folders of the machine that the picture was taken on."""
    page.get_by_text("Stack trace").click()
    expect(page.locator("details[open] pre")).to_have_count(0)


def _open_a_batch(page: Page) -> None:
    """Batches side by side, and orders inside one of them."""
    batches = page.locator(".tl-row", has_text="process_order_batch")
    expect(batches).to_have_count(10)
    batches.last.locator(".tl-chevron").click()
    expect(page.get_by_text("process_order", exact=True).first).to_be_visible()


def _open_calls(page: Page) -> None:
    """A fan-out as one arrow, and the first of another, opened."""
    calls = page.locator(".sq-message", has_text="process_order_batch")
    calls.first.locator(".sq-toggle").click()
    expect(calls.nth(1)).to_be_visible()
    calls.nth(1).locator(".sq-toggle").click()
    expect(page.locator(".sq-message").filter(has_text=_ORDERS).first).to_be_visible()


def _take(
    page: Page, url: str, name: str, prepare: Callable[[Page], None] = lambda _page: None
) -> None:
    page.goto(url, wait_until="networkidle")
    prepare(page)
    page.mouse.move(0, 0)
    expect(page.locator(".tip")).to_be_hidden()
    path = _IMAGES / f"{name}.png"
    path.write_bytes(smaller(page.screenshot(animations="disabled")))
    size = path.stat().st_size
    print(f"{path.relative_to(ROOT)}  {size // 1000} kB", flush=True)
    if size > _IMAGE_BYTES_MAX:
        raise StackError(f"{path.name} has {size:,} bytes, more than {_IMAGE_BYTES_MAX:,}")


if __name__ == "__main__":
    sys.exit(main())
