"""The addresses of the pages."""

from typing import Final
from urllib.parse import quote

from tests.browser.shop import SHOP

TABS: Final = ("timeline", "history", "sequence", "io")


def list_of(hub: str = SHOP, query: str = "") -> str:
    """A hub's orchestrations."""
    return f"/hubs/{hub}/orchestrations{query and '?' + query}"


def instance(instance_id: str, tab: str = "", *, hub: str = SHOP) -> str:
    """An orchestration."""
    return f"/hubs/{hub}/orchestrations/{quote(instance_id, safe='')}{tab and '?tab=' + tab}"


def entities(hub: str = SHOP, prefix: str = "") -> str:
    """A hub's entities."""
    return f"/hubs/{hub}/entities{prefix and '?prefix=' + quote(prefix, safe='')}"


def entity(name: str, key: str, *, hub: str = SHOP) -> str:
    """An entity."""
    return f"/hubs/{hub}/entities/{quote(f'@{name}@{key}', safe='')}"


def workers(hub: str = SHOP) -> str:
    """A hub's workers."""
    return f"/hubs/{hub}/workers"
