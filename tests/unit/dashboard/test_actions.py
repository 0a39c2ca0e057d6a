import pytest

from services.dashboard import statuses
from services.dashboard.actions import actions_for

ALWAYS = {"restart", "startLike"}


@pytest.mark.parametrize(
    ("status", "possible"),
    [
        (statuses.RUNNING, {"suspend", "raiseEvent", "terminate"}),
        (statuses.PENDING, {"suspend", "raiseEvent", "terminate"}),
        (statuses.SUSPENDED, {"resume", "raiseEvent", "terminate"}),
        (statuses.COMPLETED, {"purge"}),
        (statuses.TERMINATED, {"purge"}),
        (statuses.FAILED, {"purge", "rewind"}),
    ],
)
def test_what_is_impossible_in_a_status_has_a_reason(
    status: statuses.Status, possible: set[str]
) -> None:
    actions = actions_for(status)
    assert {action.key for action in actions if action.reason is None} == possible | ALWAYS
    assert len(actions) == 8
