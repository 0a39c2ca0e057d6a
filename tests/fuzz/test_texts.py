"""What reads text by itself: any bytes are read or refused."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.texts import TEXTS_READ

# What good bytes come to, one of each.
GOOD = {
    "orders-csv": {"2 orders, 0 problems"},
    "orders-json": {"1 orders, 0 problems"},
    "orders-jsonl": {"2 orders, 0 problems"},
    "orders-cut": {"2 orders"},
    "settings": {"0 refuse"},
    "tokens": {"a file"},
    "cursors": {"taken"},
    "broken-answers": {"whole, with a token"},
}


@pytest.mark.parametrize("name", TEXTS_READ)
@settings(max_examples=100)
@given(data=st.data())
def test_bytes_are_read_or_refused(name: str, data: st.DataObject) -> None:
    reader = TEXTS_READ[name]()
    dice: random.Random = data.draw(st.randoms(use_true_random=False))
    seed = data.draw(st.sampled_from(reader.seeds()) | st.binary())
    for _ in range(3):
        reader.run(seed)
        seed = reader.mutate(seed, dice)


@pytest.mark.parametrize("name", TEXTS_READ)
def test_what_is_good_is_read(name: str) -> None:
    reader = TEXTS_READ[name]()
    outcomes = {reader.run(seed) for seed in reader.seeds()}
    assert outcomes & GOOD[name]
