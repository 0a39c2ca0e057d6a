"""Templates, and the words that they use. Everything is escaped unless a template made it."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from services.dashboard import addresses, formatting
from services.dashboard.statuses import ALL, ENDED, PENDING, status_of

FOLDER: Final = Path(__file__).parent
# The address's name of a view, its label, its icon.
VIEWS: Final = (
    ("orchestrations", "Orchestrations", "orchestration"),
    ("entities", "Entities", "entity"),
    ("workers", "Workers", "worker"),
)


def _time(text: str, now: datetime) -> Markup:
    """How long ago; the browser goes on counting, and adds the time itself as a tooltip.

    The tooltip is in the reader's own time zone, and a third of the weight of a list's times.
    """
    shown = formatting.relative(text, now)
    return Markup('<time datetime="{}">{}</time>').format(text, shown)


def _full_time(text: str) -> Markup:
    """The time itself; the browser shows it in the reader's own time zone."""
    return Markup('<time datetime="{}" data-full>{}</time>').format(text, formatting.absolute(text))


def _duration(orchestration: Mapping[str, Any], now: datetime) -> Markup | str:
    """From the creation to the end, or to now, and then the browser lets it grow."""
    created = formatting.parse_time(orchestration["createdAt"])
    ended = orchestration["completedAt"]
    if ended is None and status_of(orchestration["status"]).key in ENDED:
        ended = orchestration["lastUpdatedAt"]
    if ended is not None:
        span = formatting.parse_time(ended) - created
        return formatting.duration(formatting.milliseconds(span))
    if status_of(orchestration["status"]) == PENDING:
        return "\N{EN DASH}"  # nothing has started that could last
    shown = formatting.duration(formatting.milliseconds(now - created))
    return Markup('<span data-since="{}">{}</span>').format(orchestration["createdAt"], shown)


def _icon(name: str) -> Markup:
    return Markup('<svg class="icon" aria-hidden="true"><use href="#i-{}"/></svg>').format(name)


def _status(code: str) -> Markup:
    status = status_of(code)
    return Markup('<span class="status st-{}">{}{}</span>').format(
        status.key, _icon(status.icon), status.word
    )


_FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "absolute": formatting.absolute,
    "duration": _duration,
    "entities_url": addresses.entities_url,
    "entity_url": addresses.entity_url,
    "full_time": _full_time,
    "hub_url": addresses.hub_url,
    "icon": _icon,
    "instance_url": addresses.instance_url,
    "number": formatting.number,
    "orchestrations_url": addresses.orchestrations_url,
    "orchestration_url": addresses.orchestration_url,
    "pretty": formatting.pretty,
    "segment": addresses.segment,
    "status": _status,
    "status_of": status_of,
    "time": _time,
}


class Templates:
    """Renders templates by name; `now` is always among their values."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(_FILTERS)
        self._environment.globals.update(views=VIEWS, statuses=ALL, escape=escape)

    def render(self, name: str, values: Mapping[str, Any]) -> str:
        """The text of one template."""
        now = datetime.now(UTC)
        return self._environment.get_template(name).render(
            {"now": now, "now_iso": formatting.iso(now), **values}
        )
