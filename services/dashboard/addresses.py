"""The addresses of pages. Every segment is encoded: an instance id may hold `/`, `?` or a blank."""

from urllib.parse import quote, urlencode


def segment(text: str) -> str:
    """One path segment that reads back as `text`."""
    return quote(text, safe="")


def hub_url(hub: str) -> str:
    """What every page of a task hub begins with."""
    return f"/hubs/{segment(hub)}"


def orchestrations_url(hub: str, **filters: str) -> str:
    """The list, with filters as its address writes them."""
    address = f"{hub_url(hub)}/orchestrations"
    return f"{address}?{urlencode(filters)}" if filters else address


def orchestration_url(hub: str, instance_id: str) -> str:
    """The page of one instance."""
    return f"{hub_url(hub)}/orchestrations/{segment(instance_id)}"


def entities_url(hub: str, prefix: str, cursor: str) -> str:
    """The list of entities; an empty text is no filter, or the first page."""
    given = {"prefix": prefix, "cursor": cursor}
    written = urlencode({name: text for name, text in given.items() if text})
    address = f"{hub_url(hub)}/entities"
    return f"{address}?{written}" if written else address


def entity_url(hub: str, instance_id: str) -> str:
    """The page of one entity."""
    return f"{hub_url(hub)}/entities/{segment(instance_id)}"


def instance_url(hub: str, instance_id: str) -> str:
    """The page of whatever has this id: ids of entities, and only they, begin with `@`."""
    if instance_id.startswith("@"):
        return entity_url(hub, instance_id)
    return orchestration_url(hub, instance_id)
