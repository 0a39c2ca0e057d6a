"""A stack with its dashboard, and Chromium: without one the tier is skipped, in CI it fails.

All of it ends with the package: as long as Playwright runs, no other test has an event loop.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from scripts.local_stack import ROOT, LocalStack
from tests.browser.packages import install
from tests.browser.shop import HUBS, MUSEUM, SHOP, Shop, furnish_museum, furnish_shop, hub_named
from tests.browser.watch import Watch
from tests.conformance.hub import Hub
from tests.e2e.processes import wait_for_line

CHROMIUM: Final = Path("/usr/bin/chromium")
DESKTOP: Final = {"width": 1280, "height": 720}
# Only a broken page reaches it; a busy machine needs some of it.
MS_MAX: Final = 15_000
expect.set_options(timeout=MS_MAX)

ContextMaker = Callable[..., BrowserContext]


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory, *, in_ci: bool) -> Path:
    """The folder in which axe and the type checker are installed."""
    folder = tmp_path_factory.mktemp("packages")
    reason = install(folder)
    if reason is None:
        return folder
    text = f"nothing to check pages and modules with: {reason}"
    if in_ci:
        pytest.fail(text, pytrace=False)
    pytest.skip(text)


@pytest.fixture(scope="package")
def browser(*, in_ci: bool) -> Iterator[Browser]:
    """Chromium without a window; each test has a context of its own in it."""
    if not CHROMIUM.exists():
        reason = f"no browser to test with: there is no {CHROMIUM}"
        if in_ci:
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    # As root there is no sandbox to have, and a container's /dev/shm may be small.
    flags = ["--no-sandbox", "--disable-dev-shm-usage"]
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=CHROMIUM, args=flags) as browser,
    ):
        yield browser


@pytest.fixture(scope="package")
def stack(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:  # noqa: ARG001 - without a browser no stack is needed
    """A scheduler with three hubs, an order worker in the first of them, and the dashboard."""
    variables = {"DTS_TASK_HUB_NAMES": ",".join(HUBS), "PROCESSING_MS": "0"}
    with LocalStack(
        workers=1,
        logs=tmp_path_factory.mktemp("browser"),
        environment=variables,
        usual_ports=False,
        dashboard=True,
    ) as stack:
        yield stack


@pytest.fixture(scope="package")
def odd_shop(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The worker of everything that orders do not show."""
    log = tmp_path_factory.mktemp("odd") / "odd_shop.log"
    command = [sys.executable, "-m", "tests.browser.odd_shop", stack.endpoint, SHOP, MUSEUM]
    with (
        log.open("wb") as stream,
        subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream
        ) as process,
    ):
        try:
            wait_for_line(log, "ready")
            yield
        finally:
            process.terminate()


@pytest.fixture(scope="package")
def hub(stack: LocalStack, odd_shop: None) -> Iterator[Hub]:  # noqa: ARG001 - its work is done by it
    """The hub in which tests start what they need."""
    with hub_named(stack, SHOP) as hub:
        yield hub


@pytest.fixture(scope="package")
def shop(hub: Hub) -> Shop:
    """What stands in the hub already."""
    return furnish_shop(hub)


@pytest.fixture(scope="package")
def museum(stack: LocalStack, odd_shop: None) -> Iterator[Hub]:  # noqa: ARG001 - its work is done by it
    """The hub whose instances are counted."""
    with hub_named(stack, MUSEUM) as hub:
        furnish_museum(hub)
        yield hub


@pytest.fixture
def watch(stack: LocalStack) -> Iterator[Watch]:
    """Whatever a test does, its pages raise no error, open no dialog and ask nobody else."""
    watch = Watch(stack.dashboard)
    yield watch
    watch.assert_clean()


@pytest.fixture
def new_context(browser: Browser, stack: LocalStack, watch: Watch) -> Iterator[Any]:
    """Makes contexts, as fresh as a profile that was never used."""
    contexts: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:
        given = {"viewport": DESKTOP, "timezone_id": "Europe/Zurich", "locale": "en-GB"}
        context = browser.new_context(base_url=stack.dashboard, **given | options)
        context.set_default_timeout(MS_MAX)
        watch.over(context)
        contexts.append(context)
        return context

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_context: ContextMaker) -> Page:
    """A tab."""
    return new_context().new_page()
