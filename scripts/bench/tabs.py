"""Row 11: what five open tabs of the dashboard cost a run.

Tabs of a browser without a window are all visible to themselves: each asks every two seconds, where
a person's browser would silence four of the five. Browser, dashboard and scheduler share the
machine, so that what is lost is mostly the browser's own; its share is told.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import httpx
from playwright.sync_api import BrowserContext, Error, Page, sync_playwright

from scripts.bench.errors import BenchError
from scripts.bench.processes import cpu_seconds_of, descendants
from scripts.bench.readings import Measured, Reading, Target
from scripts.bench.rigs import Rig, Run, workers_of
from scripts.bench.samples import Spread
from scripts.bench.servers import server_of, stack_of
from scripts.bench.session import Session

CHROMIUM: Final = Path("/usr/bin/chromium")
_WORKERS: Final = 2
_TARGET: Final = Target(comparison="<=", bound=5.0)
_WARM_UP: Final = 4  # parts of a run
_OPEN_MS_MAX: Final = 30_000
_VIEWS: Final = (
    "/orchestrations",
    "/orchestrations?sub=1",
    "/orchestrations/{id}?tab=timeline",
    "/orchestrations/{id}?tab=history",
    "/workers",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watched:
    run: Run
    browser_cpu: float
    dashboard_cpu: float
    tabs: int


def measure_tabs(session: Session) -> Measured:
    """By how many per cent fewer orders a second there are while the tabs are open."""
    if not CHROMIUM.exists():
        raise BenchError(f"there is no {CHROMIUM} to open tabs with")
    with ExitStack() as opened:
        stack = opened.enter_context(stack_of(session.new_folder("tabs"), dashboard=True))
        server = server_of(stack)
        workers = opened.enter_context(workers_of(server, session.folder / "tabs", _WORKERS))
        rig = Rig(name="tabs", server=server, workers=workers)
        browser = opened.enter_context(_browser())
        found = _alternate(session, rig, stack.dashboard, stack.process("dashboard").pid, browser)
    return _measured(found)


def _alternate(
    session: Session, rig: Rig, dashboard: str, dashboard_pid: int, browser: "_Browser"
) -> list[_Watched]:
    sizes = session.sizes
    hub = f"{dashboard}/hubs/default"

    def run(views: tuple[str, ...], orders: int) -> _Watched:
        with browser.tabs(hub, views, _newest(rig)) as tabs:
            before = browser.cpu_seconds(), cpu_seconds_of([dashboard_pid])
            ran = rig.run(
                orders,
                sizes.batch_size,
                session.noise,
                meanwhile=lambda: tabs.turn_to(_newest(rig)),
            )
            return _Watched(
                run=ran,
                browser_cpu=browser.cpu_seconds() - before[0],
                dashboard_cpu=cpu_seconds_of([dashboard_pid]) - before[1],
                tabs=len(views),
            )

    run((), max(1, sizes.watched // _WARM_UP))
    found = []
    for number in range(session.rounds):
        # With and without begin in turn.
        for views in ((), _VIEWS) if number % 2 == 0 else (_VIEWS, ()):
            found.append(run(views, sizes.watched))
            session.say(
                f"tabs: round {number + 1}, {len(views)} open: {found[-1].run.rate:,.0f} orders/s"
            )
    return found


def _measured(found: list[_Watched]) -> Measured:
    without = [each for each in found if not each.tabs]
    watched = [each for each in found if each.tabs]
    losses = [
        100 * (1 - tabs.run.rate / none.run.rate)
        for tabs, none in zip(watched, without, strict=True)
    ]
    cores = os.cpu_count() or 1

    def share(cpu: list[float]) -> float:
        """Of all cores, in per cent."""
        wall = [each.run.seconds * cores for each in watched]
        return 100 * sum(cpu) / sum(wall)

    scheduler = [
        Spread.of([each.run.server_ms for each in runs]).value for runs in (without, watched)
    ]
    rates = [Spread.of([each.run.rate for each in runs]).value for runs in (without, watched)]
    reading = Reading(
        label=f"{len(_VIEWS)} tabs",
        spread=Spread.of(losses),
        target=_TARGET,
        unit="%",
        detail=f"{rates[1]:,.0f} after {rates[0]:,.0f} orders/s; of the machine's CPU the browser"
        f" used {share([each.browser_cpu for each in watched]):.1f} %, the dashboard"
        f" {share([each.dashboard_cpu for each in watched]):.1f} %; scheduler CPU an order"
        f" {scheduler[0]:.3f} ms without, {scheduler[1]:.3f} ms with",
    )
    series = {
        "runs": [
            {
                "tabs": each.tabs,
                "browserCpu": each.browser_cpu,
                "dashboardCpu": each.dashboard_cpu,
                **each.run.as_document(),
            }
            for each in found
        ]
    }
    return Measured(readings=(reading,), series=series)


def _newest(rig: Rig) -> str:
    """The newest root, ready for a path; "none" before there is one."""
    try:
        answer = httpx.post(
            f"{rig.server.http}/v1/taskhubs/orchestrations/query",
            headers={"x-taskhub": "default"},
            json={"filter": {"hideSubOrchestrations": True}, "pagination": {"count": 1}},
        ).raise_for_status()
    except httpx.HTTPError as error:
        raise BenchError(f"the management API does not answer: {error}") from error
    found = answer.json()["orchestrations"]
    return quote(found[0]["instanceId"], safe="") if found else "none"


class _Tabs:
    """Open tabs, some of which show an instance."""

    def __init__(self, pages: dict[str, Page], hub: str, instance_id: str) -> None:
        self._pages = pages
        self._hub = hub
        self._instance_id = instance_id

    def turn_to(self, instance_id: str) -> None:
        """Has those that show an instance show this one."""
        if instance_id == self._instance_id:
            return
        self._instance_id = instance_id
        for view, page in self._pages.items():
            if "{id}" in view:
                _go(page, self._hub + view.format(id=instance_id))


class _Browser:
    """Chromium, and the processes that it is made of: those that began after `others`."""

    def __init__(self, context: BrowserContext, others: set[int]) -> None:
        self._context = context
        self._others = others

    def cpu_seconds(self) -> float:
        """What all of them have used so far."""
        return cpu_seconds_of(descendants(os.getpid()) - self._others)

    @contextmanager
    def tabs(self, hub: str, views: tuple[str, ...], instance_id: str) -> Iterator[_Tabs]:
        """Opens a tab for each view, and closes them again."""
        pages = {view: self._context.new_page() for view in views}
        try:
            for view, page in pages.items():
                _go(page, hub + view.format(id=instance_id))
                if page.evaluate("document.visibilityState") != "visible":
                    raise BenchError("a tab is hidden: it would ask for nothing")
            yield _Tabs(pages, hub, instance_id)
        finally:
            for page in pages.values():
                page.close()


def _go(page: Page, address: str) -> None:
    answer = page.goto(address, wait_until="load", timeout=_OPEN_MS_MAX)
    if answer is None or not answer.ok:
        raise BenchError(f"{address} cannot be opened: {answer and answer.status}")


@contextmanager
def _browser() -> Iterator[_Browser]:
    others = descendants(os.getpid())
    # As root there is no sandbox to have, and a container's /dev/shm may be small.
    flags = ["--no-sandbox", "--disable-dev-shm-usage"]
    try:
        with (
            sync_playwright() as playwright,
            playwright.chromium.launch(executable_path=CHROMIUM, args=flags) as chromium,
            chromium.new_context() as context,
        ):
            yield _Browser(context, others)
    except Error as error:
        raise BenchError(f"the browser failed: {error.message}") from error
