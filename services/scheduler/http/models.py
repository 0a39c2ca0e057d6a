"""What all bodies of the management API are made of: names in camelCase, nothing unknown."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from services.scheduler.engine.limits import BATCH_IDS_MAX
from services.scheduler.engine.status import Status
from services.scheduler.store.rows import micros

_PREFIX: Final = "ORCHESTRATION_STATUS_"


class Model(BaseModel):
    """A JSON object."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", strict=True, frozen=True, ser_json_inf_nan="null"
    )


class StatusName(StrEnum):
    """The protocol's names of an orchestration's status."""

    RUNNING = f"{_PREFIX}RUNNING"
    COMPLETED = f"{_PREFIX}COMPLETED"
    FAILED = f"{_PREFIX}FAILED"
    TERMINATED = f"{_PREFIX}TERMINATED"
    PENDING = f"{_PREFIX}PENDING"
    SUSPENDED = f"{_PREFIX}SUSPENDED"

    @property
    def number(self) -> int:
        """The protocol's number."""
        return int(Status[self.name])


def status_name(status: Status) -> str:
    """The protocol's name of a status."""
    return f"{_PREFIX}{status.name}"


def _within_reach(moment: datetime) -> datetime:
    micros(moment)
    return moment


# RFC 3339, with an offset.
Moment = Annotated[AwareDatetime, AfterValidator(_within_reach)]
InstanceIds = Annotated[list[str], Field(min_length=1, max_length=BATCH_IDS_MAX)]


def micros_of(moment: datetime | None) -> int | None:
    """Microseconds since 1970."""
    return None if moment is None else micros(moment)


class Fault(Model):
    """What is wrong, for programs and for people."""

    code: str
    message: str


class Refusal(Model):
    """The body of every answer that is no success."""

    error: Fault
