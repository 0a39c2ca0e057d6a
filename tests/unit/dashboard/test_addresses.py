import pytest

from services.dashboard.addresses import entity_url, instance_url, orchestration_url


@pytest.mark.parametrize(
    ("instance_id", "segment"),
    [
        ("orders-1:0001", "orders-1%3A0001"),
        ("a/b?c#d%e f", "a%2Fb%3Fc%23d%25e%20f"),
        ("<\"&'>", "%3C%22%26%27%3E"),
    ],
)
def test_an_instance_id_is_one_segment_of_its_address(instance_id: str, segment: str) -> None:
    assert orchestration_url("default", instance_id) == f"/hubs/default/orchestrations/{segment}"


def test_an_id_that_begins_with_at_leads_to_an_entity() -> None:
    assert instance_url("h", "@counter@a") == entity_url("h", "@counter@a")
    assert instance_url("h", "counter") == orchestration_url("h", "counter")
