"""What a page must never do, noted while a test uses it."""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Page, Route

# Puts what the content security policy stops where Python can hear of it.
_REPORT_VIOLATIONS: Final = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI}`);
});
"""


@dataclass  # without slots: Playwright keeps its wrappers in whom it calls
class Watch:
    """All that went wrong in one context: errors, dialogs, and requests to anywhere else.

    `tolerated` are parts of console messages that a test provokes: Chromium reports each answer
    that is an error there.
    """

    origin: str
    wrong: list[str] = field(default_factory=list)
    tolerated: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def over(self, context: BrowserContext) -> None:
        """Begins with all pages of a context; what would leave the origin is blocked."""
        context.add_init_script(_REPORT_VIOLATIONS)
        context.on("console", self._console)
        context.on("weberror", lambda event: self.wrong.append(f"uncaught: {event.error}"))
        context.on("dialog", self._dialog)
        context.on("request", lambda request: self.requests.append(request.url))
        context.route(lambda url: not self._is_ours(url), self._refuse)

    def assert_clean(self) -> None:
        """Nothing of it happened, but for what is tolerated."""
        wrong = [text for text in self.wrong if not any(part in text for part in self.tolerated)]
        assert not wrong, "\n".join(wrong)

    def _is_ours(self, url: str) -> bool:
        return url.startswith(f"{self.origin}/") or urlsplit(url).scheme in {"data", "blob"}

    def _refuse(self, route: Route) -> None:
        self.wrong.append(f"left the origin: {route.request.url}")
        route.abort()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.wrong.append(f"{message.type} at {_where(message.page)}: {message.text}")

    def _dialog(self, dialog: Dialog) -> None:
        # The browser's own dialogs are never used, so one of them is somebody's script.
        self.wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()


def _where(page: Page | None) -> str:
    return "" if page is None else urlsplit(page.url).path
