"""What the bench pins for its servers is what a person finds who sets nothing."""

from scripts.bench.servers import DEFAULTS
from services.scheduler.settings import SchedulerSettings
from services.shared.environment import Environment
from services.worker.settings import WorkerSettings


def test_the_settings_that_are_measured_are_the_defaults() -> None:
    pinned = Environment(DEFAULTS)
    unset = Environment({})
    assert WorkerSettings.read(pinned) == WorkerSettings.read(unset)
    assert SchedulerSettings.read(pinned) == SchedulerSettings.read(unset)
    assert set(DEFAULTS) <= set(pinned.names)
