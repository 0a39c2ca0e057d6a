"""One window of Chromium with its tabs, opened as a person does: the last one is seen, no other.

Not through Playwright, which makes every page believe that it is visible and has the focus. The
window is not shown anywhere, but Chromium treats it as one.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from scripts.bench.errors import BenchError
from scripts.bench.processes import cpu_seconds_of, descendants

CHROMIUM: Final = Path("/usr/bin/chromium")
# As root there is no sandbox to have, and a container's /dev/shm may be small.
_FLAGS: Final = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--no-first-run")
_SECONDS_MAX: Final = 30.0
_LOOK_SECONDS: Final = 0.05
# A page whose title says whether it is seen, long after it was opened.
_MIRROR: Final = "<script>setInterval(()=>{document.title=document.visibilityState},50)</script>"


class Window:
    """The window, by the addresses that Chromium serves to debuggers."""

    def __init__(self, pid: int, address: str) -> None:
        self._pid = pid
        self._address = address
        self._tabs: dict[str, str] = {}

    @property
    def count(self) -> int:
        """How many tabs were opened and not closed."""
        return len(self._tabs)

    def cpu_seconds(self) -> float:
        """What all processes of the browser have used so far."""
        return cpu_seconds_of({self._pid, *descendants(self._pid)})

    def open(self, address: str) -> None:
        """Opens a tab in front of the others."""
        self._tabs[address] = self._ask("PUT", f"new?{address}").json()["id"]

    def show(self, address: str) -> None:
        """Brings a tab in front of the others."""
        self._ask("GET", f"activate/{self._tabs[address]}")

    def close(self, address: str) -> None:
        """Closes the tab that was opened with this address."""
        self._ask("GET", f"close/{self._tabs.pop(address)}")

    def close_all(self) -> None:
        """Closes what was opened."""
        for address in list(self._tabs):
            self.close(address)

    def title(self, address: str) -> str:
        """What a tab calls itself now."""
        found = {tab["id"]: tab["title"] for tab in self._ask("GET", "list").json()}
        return str(found.get(self._tabs[address], ""))

    def check(self, folder: Path) -> None:
        """Raises `BenchError` unless a tab behind another one knows that it is not seen."""
        mirror = folder / "mirror.html"
        mirror.write_text(_MIRROR)
        behind, front = f"file://{mirror}?behind", f"file://{mirror}?front"
        self.open(behind)
        self.open(front)
        expected = ["hidden", "visible"]
        end = time.monotonic() + _SECONDS_MAX
        while (found := [self.title(behind), self.title(front)]) != expected:
            if time.monotonic() > end:
                raise BenchError(f"two tabs of one window say that they are {found}")
            time.sleep(_LOOK_SECONDS)
        self.close_all()

    def _ask(self, method: str, what: str) -> httpx.Response:
        try:
            answer = httpx.request(method, f"{self._address}/json/{what}", timeout=_SECONDS_MAX)
            return answer.raise_for_status()
        except httpx.HTTPError as error:
            raise BenchError(f"the browser failed: {error}") from error


def check_browser() -> None:
    """Raises `BenchError` where there is none."""
    if not CHROMIUM.exists():
        raise BenchError(f"there is no {CHROMIUM} to open tabs with")


@contextmanager
def window(folder: Path) -> Iterator[Window]:
    """A browser with one window; `folder` is for its profile. It ends with all its processes."""
    profile = folder / "profile"
    port_file = profile / "DevToolsActivePort"
    arguments = [
        str(CHROMIUM),
        *_FLAGS,
        "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
        "about:blank",
    ]
    with subprocess.Popen(
        arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as browser:
        try:
            end = time.monotonic() + _SECONDS_MAX
            # The file comes empty first, then with the port in its first line.
            while not (port_file.exists() and (lines := port_file.read_text().split())):
                if browser.poll() is not None or time.monotonic() > end:
                    raise BenchError(f"the browser did not start (exit code {browser.poll()})")
                time.sleep(_LOOK_SECONDS)
            opened = Window(browser.pid, f"http://127.0.0.1:{lines[0]}")
            opened.check(folder)
            yield opened
        finally:
            family = descendants(browser.pid)
            browser.terminate()
            browser.wait()
            for pid in family:
                _wait_for_end(pid)


def _wait_for_end(pid: int) -> None:
    end = time.monotonic() + _SECONDS_MAX
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        try:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            time.sleep(_LOOK_SECONDS)
