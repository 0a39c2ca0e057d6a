"""What an operation of the management API is: its address, what it takes, what it gives."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from services.scheduler.auth.identity import Access, Identity
from services.scheduler.http.asks import NoParameters, Parameters
from services.scheduler.http.models import Model
from services.scheduler.hub.hubs import TaskHubs
from services.scheduler.hub.opened import OpenHub


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request that has been read and is well formed."""

    hubs: TaskHubs
    identity: Identity
    # Finds the one that its header names, where the operation is about one.
    find_hub: Callable[[], OpenHub]
    # The parts of its path, as they were meant.
    path: Mapping[str, str]
    parameters: Any
    body: Any

    @property
    def hub(self) -> OpenHub:
        """The hub that its header names. One that is to be made is made here, at first sight."""
        return self.find_hub()

    @property
    def visible(self) -> tuple[OpenHub, ...]:
        """The open hubs that the caller may know of."""
        return tuple(hub for hub in self.hubs.opened if self.identity.sees(hub.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """JSON, as it goes out."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def reply(document: Any, **headers: str) -> Reply:  # noqa: ANN401 - any JSON
    """The reply that says this."""
    return Reply(
        body=encoded(document),
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


def encoded(document: Any) -> bytes:  # noqa: ANN401 - any JSON
    """JSON in UTF-8."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path. `{name}` in a path is one percent-encoded segment."""

    method: str
    path: str
    name: str
    summary: str
    # Asked by POST or not: what a reader may ask changes nothing.
    access: Access
    answer: Callable[[Ask], Awaitable[Reply]]
    gives: type[BaseModel]
    takes: type[Model] | None = None
    parameters: type[Parameters] = NoParameters
    status: int = 200
    is_of_hub: bool = True
    # A dynamic task hub comes to be at the first thing that is to be kept: neither what reads nor
    # what is refused makes a file. The answer checks everything before it looks at the hub.
    makes_hub: bool = False
    # What its reply depends on, known without reading: nothing is read for who has that already.
    revision: Callable[[Ask], str] | None = None
    # For a reply that is made of what is in memory.
    is_tagged_by_body: bool = False

    @property
    def is_tagged(self) -> bool:
        """Whether its replies carry an ETag."""
        return self.revision is not None or self.is_tagged_by_body
