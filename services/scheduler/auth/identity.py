"""A caller: a name for the log, a role, and the task hubs that the role is for."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from services.scheduler.errors import ForbiddenError


class Access(Enum):
    """What a call does to what it names."""

    READ = "read"
    CHANGE = "change"


class Role(Enum):
    """What a caller may do in their task hubs; the values are the words of files and claims."""

    READER = "reader"
    CONTRIBUTOR = "contributor"


_ALLOWED: Final = frozenset(
    {
        (Role.READER, Access.READ),
        (Role.CONTRIBUTOR, Access.READ),
        (Role.CONTRIBUTOR, Access.CHANGE),
    }
)
# In the place of names: every task hub, those to come included.
EVERY_HUB: Final = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Somebody who has proved who they are. `hubs` is None for all task hubs."""

    name: str
    role: Role
    hubs: frozenset[str] | None

    @property
    def may_change(self) -> bool:
        """Whether they may change anything: a reader must not even make a dynamic task hub."""
        return (self.role, Access.CHANGE) in _ALLOWED

    def sees(self, hub: str) -> bool:
        """Whether a task hub is theirs."""
        return self.hubs is None or hub in self.hubs

    def check(self, hub: str, access: Access) -> None:
        """Raises `ForbiddenError`, with one text whether or not there is such a hub."""
        if not self.sees(hub):
            raise ForbiddenError(f"This token gives no access to task hub {hub[:64]!r}")
        self.check_role(access)

    def check_role(self, access: Access) -> None:
        """Raises `ForbiddenError` where the role does not allow it."""
        if (self.role, access) not in _ALLOWED:
            raise ForbiddenError(f"The role {self.role.value} may not change anything")

    def check_every_hub(self) -> None:
        """Raises `ForbiddenError` unless all task hubs are theirs: some things tell of all."""
        if self.hubs is not None:
            raise ForbiddenError("This token gives no access to all task hubs")


# Without authentication.
ANYONE: Final = Identity(name="anyone", role=Role.CONTRIBUTOR, hubs=None)
