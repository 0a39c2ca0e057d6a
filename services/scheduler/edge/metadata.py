"""What stands in the metadata of a call, as text."""

from services.scheduler.edge.server import ServerCall


def task_hub_of(call: ServerCall) -> str:
    """The task hub that is called; empty where none is named."""
    return metadata_of(call, "taskhub")


def metadata_of(call: ServerCall, name: str) -> str:
    """The first of this name, or an empty text."""
    for key, value in call.metadata:
        if key == name:
            return value if isinstance(value, str) else value.decode(errors="replace")
    return ""


def all_metadata_of(call: ServerCall, name: str) -> list[str]:
    """All of this name."""
    return [
        value if isinstance(value, str) else value.decode(errors="replace")
        for key, value in call.metadata
        if key == name
    ]
