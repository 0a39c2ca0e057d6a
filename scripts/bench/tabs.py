"""Row 11: what five open tabs of the dashboard cost a run.

They are tabs of one window, as in a person's browser: the one in front asks every two seconds and
draws, those behind it know that nobody sees them. Browser, dashboard and scheduler share the
machine, so that what is lost is mostly the browser's own; its share is told.
"""

import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import httpx

from scripts.bench.errors import BenchError
from scripts.bench.processes import cpu_seconds_of
from scripts.bench.readings import Measured, Reading, Target
from scripts.bench.rigs import Rig, Run, workers_of
from scripts.bench.samples import Spread
from scripts.bench.servers import server_of, stack_of
from scripts.bench.session import Session
from scripts.bench.window import Window, check_browser, window

_WORKERS: Final = 2
_TARGET: Final = Target(comparison="<=", bound=5.0)
_WARM_UP: Final = 4  # parts of a run
# The last one is in front.
_VIEWS: Final = (
    "/orchestrations?sub=1",
    "/orchestrations/{id}?tab=timeline",
    "/orchestrations/{id}?tab=history",
    "/workers",
    "/orchestrations",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watched:
    run: Run
    browser_cpu: float
    dashboard_cpu: float
    tabs: int


def measure_tabs(session: Session) -> Measured:
    """By how many per cent fewer orders a second there are while the tabs are open."""
    check_browser()
    with ExitStack() as opened:
        stack = opened.enter_context(stack_of(session.new_folder("tabs"), dashboard=True))
        server = server_of(stack)
        workers = opened.enter_context(workers_of(server, session.folder / "tabs", _WORKERS))
        rig = Rig(name="tabs", server=server, workers=workers)
        browser = opened.enter_context(window(session.folder / "tabs"))
        found = _alternate(session, rig, stack.dashboard, stack.process("dashboard").pid, browser)
    return _measured(found)


def _alternate(
    session: Session, rig: Rig, dashboard: str, dashboard_pid: int, browser: Window
) -> list[_Watched]:
    sizes = session.sizes
    hub = f"{dashboard}/hubs/default"

    def run(views: tuple[str, ...], orders: int) -> _Watched:
        shown = _Shown(browser, hub, views)
        shown.turn_to(_newest(rig))
        before = browser.cpu_seconds(), cpu_seconds_of([dashboard_pid])
        ran = rig.run(
            orders,
            sizes.batch_size,
            session.noise,
            meanwhile=lambda: shown.turn_to(_newest(rig)),
        )
        watched = _Watched(
            run=ran,
            browser_cpu=browser.cpu_seconds() - before[0],
            dashboard_cpu=cpu_seconds_of([dashboard_pid]) - before[1],
            tabs=browser.count,
        )
        browser.close_all()
        return watched

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


class _Shown:
    """The tabs of some views, of which some show an instance."""

    def __init__(self, browser: Window, hub: str, views: tuple[str, ...]) -> None:
        self._browser = browser
        self._hub = hub
        self._views = views
        self._instance_id: str | None = None

    def turn_to(self, instance_id: str) -> None:
        """Opens them all; later, has those that show an instance show this one."""
        before, self._instance_id = self._instance_id, instance_id
        if instance_id == before:
            return
        for view in self._views:
            if before is not None and "{id}" in view:
                self._browser.close(self._hub + view.format(id=before))
        front = self._hub + self._views[-1] if self._views else ""
        for view in self._views:
            if before is None or "{id}" in view:
                self._browser.open(self._hub + view.format(id=instance_id))
        if before is not None and front:
            self._browser.show(front)
