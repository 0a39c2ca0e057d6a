import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.shared.converter import PydanticDataConverter
from services.shared.json_text import JsonText, NoOrdersError, OrdersText

VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
ORDERS = st.lists(st.dictionaries(st.text(), VALUES, max_size=4), max_size=6)
FIELDS = st.dictionaries(st.text().filter(lambda name: name != "orders"), VALUES, max_size=3)


@given(ORDERS, FIELDS, st.sampled_from([None, 0, 2]), st.data())
def test_orders_are_cut_without_being_built(
    orders: list[Any], fields: dict[str, Any], indent: int | None, data: st.DataObject
) -> None:
    names = data.draw(st.permutations(["orders", *fields]))
    document = {name: ({"orders": orders} | fields)[name] for name in names}
    text = OrdersText(json.dumps(document, indent=indent))
    assert len(text) == len(orders)
    assert text.fields == fields
    start = data.draw(st.integers(0, len(orders)))
    stop = data.draw(st.integers(start, len(orders)))
    cut = text.cut(range(start, stop), {"batch_size": 3})
    assert json.loads(cut.text) == {"orders": orders[start:stop], "batch_size": 3}


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "null", "[]", '"orders"', "{}", '{"orders":{}}', '{"orders":null}',
        '{"orders":[1]}', '{"orders":[{}', '{"orders":[{},]}', '{"orders":[{}]', '{"orders":[]}}',
        '{"orders":[]}{}', '{"orders":[],}', '{"orders":[] "a":1}', '{"orders" []}', "{1:2}",
        '{"a":1}', "{orders:[]}", '{"orders":[{}{}]}', '{"orders":[],"a":}',
    ],
)  # fmt: skip
def test_what_is_no_object_with_orders_is_refused(text: str) -> None:
    with pytest.raises(NoOrdersError):
        OrdersText(text)


def test_of_a_name_that_stands_twice_the_last_counts_as_everywhere() -> None:
    twice = OrdersText('{"orders":[{}],"a":1,"orders":[{"b":2},{}],"a":3}')
    assert len(twice) == 2
    assert twice.fields == {"a": 3}
    assert twice.cut(range(2), {}).text == '{"orders":[{"b":2},{}]}'


def test_the_converter_hands_it_on_as_it_stands() -> None:
    converter = PydanticDataConverter()
    text = '{ "orders" : [ ] }'
    assert converter.deserialize(text, JsonText) == JsonText(text)
    assert converter.serialize(JsonText(text)) == text
    assert converter.deserialize(None, JsonText) is None
    assert converter.can_reconstruct(JsonText)
    assert converter.can_reconstruct(JsonText | None)
