import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from services.shared.converter import PayloadTypeError, PydanticDataConverter
from services.shared.orders import Order
from tests.unit.test_orders import GOOD

CONVERTER = PydanticDataConverter()
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@dataclass
class Parcel:
    """A type of somebody's own program."""

    weight: Decimal
    sent: datetime


@given(JSON)
def test_plain_json_comes_back_as_it_was(value: Any) -> None:
    text = CONVERTER.serialize(value)
    assert CONVERTER.deserialize(text) == value


@pytest.mark.parametrize("value", [0, "", False, [], {}])
def test_falsy_values_are_payloads(value: Any) -> None:
    assert CONVERTER.serialize(value) == json.dumps(value)


def test_money_is_written_as_text() -> None:
    assert CONVERTER.serialize({"amount": Decimal("1.10")}) == '{"amount":"1.10"}'


def test_models_and_dataclasses_come_back_as_what_was_asked_for() -> None:
    order = Order.model_validate(GOOD)
    parcel = Parcel(Decimal("1.5"), datetime(2026, 1, 2, tzinfo=UTC))
    assert CONVERTER.deserialize(CONVERTER.serialize(order), Order) == order
    assert CONVERTER.deserialize(CONVERTER.serialize([order]), list[Order]) == [order]
    assert CONVERTER.deserialize(CONVERTER.serialize(parcel), Parcel) == parcel


def test_a_payload_that_does_not_fit_is_an_error_and_never_a_raw_dict() -> None:
    with pytest.raises(PayloadTypeError, match="the payload is no Order: quantity: "):
        CONVERTER.deserialize(json.dumps(GOOD | {"quantity": "many"}), Order)
    with pytest.raises(PayloadTypeError):
        CONVERTER.coerce({"order_id": 1}, Order)


def test_a_strict_model_takes_its_dates_and_decimals_from_json() -> None:
    class Strict(BaseModel):
        model_config = ConfigDict(strict=True)
        sent: datetime
        weight: Decimal

    value = Strict(sent=datetime(2026, 1, 2, tzinfo=UTC), weight=Decimal("1.5"))
    assert CONVERTER.deserialize(CONVERTER.serialize(value), Strict) == value


def test_null_is_no_order() -> None:
    with pytest.raises(PayloadTypeError):
        CONVERTER.deserialize("null", Order)


def test_a_type_whose_annotations_cannot_be_resolved_is_left_alone() -> None:
    unresolved: Any = dataclass(type("Unresolved", (), {"__annotations__": {"part": "Missing"}}))
    assert not CONVERTER.can_reconstruct(unresolved)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": float("nan")}])
def test_what_json_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        CONVERTER.serialize(value)


def test_an_object_without_a_json_form_is_refused() -> None:
    with pytest.raises((TypeError, ValueError)):
        CONVERTER.serialize(object())


@pytest.mark.parametrize("annotation", [Order, list[Order], Order | None, Parcel, Decimal])
def test_types_that_need_rebuilding_are_recognised(annotation: Any) -> None:
    assert CONVERTER.can_reconstruct(annotation)


@pytest.mark.parametrize("annotation", [str, int, dict, list, Any, type(CONVERTER), None])
def test_plain_and_unknown_types_are_left_alone(annotation: Any) -> None:
    assert CONVERTER.can_reconstruct(annotation) == (annotation is None)
