import io
import json
import tempfile
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.client.generate import generate_orders, write_csv, write_jsonl
from services.client.order_files import OrderFile, OrderFileError, RowProblem, read_orders
from services.shared.orders import FIELDS, Order

WRITERS: dict[str, Callable[[Iterable[Order], TextIO], None]] = {
    ".csv": write_csv,
    ".jsonl": write_jsonl,
}
EXTENSIONS = [".csv", ".json", ".jsonl"]

# What the formats treat as special stands much more often than by chance.
CHARACTERS = st.one_of(
    st.sampled_from("\"',;\r\n\t \\\u2028\u0085\ufeff\x1c\x1b="),
    st.characters(codec="utf-8", exclude_characters="\0"),
)
TEXTS = st.text(CHARACTERS, min_size=1, max_size=20).filter(str.strip)
ORDERS = st.lists(
    st.builds(
        Order,
        order_id=TEXTS.filter(lambda text: text.strip().isprintable()),
        customer=TEXTS,
        sku=TEXTS,
        quantity=st.integers(1, 1_000_000),
        unit_price=st.integers(1, 100_000_000).map(lambda cents: Decimal(cents).scaleb(-2)),
        currency=st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=3, max_size=3),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda order: order.order_id,
)

NAMES = st.one_of(st.sampled_from([*FIELDS, "orders"]), st.text(max_size=3))
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just(10**50)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=8),
    max_leaves=20,
)
ROWS = st.fixed_dictionaries(
    {
        "order_id": st.sampled_from(["A1", "A2", ""]) | SCALARS,
        "customer": st.just("Ada") | VALUES,
        "sku": st.just("book") | SCALARS,
        "quantity": st.just(3) | SCALARS,
        "unit_price": st.sampled_from(["1.00", 1, 0.5]) | SCALARS,
    },
    optional={"currency": st.just("EUR"), "note": VALUES},
)
GOOD: dict[str, bytes] = {}
for _extension, _write in WRITERS.items():
    _stream = io.StringIO(newline="")
    _write(generate_orders(4, seed=7), _stream)
    GOOD[_extension] = _stream.getvalue().encode()
GOOD[".json"] = b"[" + GOOD[".jsonl"].strip().replace(b"\n", b",\n") + b"]"
MARKS = st.sampled_from(
    [b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b"\r", b'"', b",", b"[", b"{", b"\\ud800"]
)


def to_csv(rows: list[dict[str, Any]]) -> bytes:
    lines = [",".join(str(row.get(name, "")) for name in FIELDS) for row in rows]
    return "\n".join([",".join(FIELDS), *lines]).encode(errors="replace")


def to_json(rows: list[dict[str, Any]]) -> bytes:
    return json.dumps(rows).encode()


def to_jsonl(rows: list[dict[str, Any]]) -> bytes:
    return b"\n".join(json.dumps(row).encode() for row in rows)


FORMATS = {".csv": to_csv, ".json": to_json, ".jsonl": to_jsonl}


@st.composite
def contents(draw: st.DrawFn, extension: str) -> bytes:
    """Noise, a good file with a piece of noise in it, or rows of odd values."""
    kind = draw(st.sampled_from(["noise", "edited", "rows"]))
    noise = draw(st.binary(max_size=30) | MARKS)
    if kind == "noise":
        return noise
    if kind == "rows":
        return FORMATS[extension](draw(st.lists(ROWS, max_size=4)))
    good = GOOD[extension]
    start = draw(st.integers(0, len(good)))
    return good[:start] + noise + good[start + draw(st.integers(0, 20)) :]


def read_bytes(content: bytes, extension: str) -> OrderFile:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"orders{extension}"
        path.write_bytes(content)
        return read_orders(path)


def written(orders: Iterable[Order], extension: str) -> bytes:
    stream = io.StringIO(newline="")
    WRITERS[extension](orders, stream)
    return stream.getvalue().encode()


@pytest.mark.parametrize("extension", EXTENSIONS)
@given(data=st.data())
@settings(deadline=None, max_examples=400)
def test_whatever_bytes_a_file_holds_they_are_read_or_refused(
    extension: str, data: st.DataObject
) -> None:
    try:
        found = read_bytes(data.draw(contents(extension)), extension)
    except OrderFileError as error:
        found = OrderFile(orders=(), problems=(RowProblem(where="the file", message=str(error)),))
    assert found.orders or found.problems
    assert all(str(problem).isprintable() for problem in found.problems)
    if found.orders:
        assert read_bytes(written(found.orders, ".csv"), ".csv").orders == found.orders


@pytest.mark.parametrize("extension", WRITERS)
@given(orders=ORDERS)
@settings(deadline=None)
def test_what_is_written_reads_back_as_the_same_orders(extension: str, orders: list[Order]) -> None:
    found = read_bytes(written(orders, extension), extension)
    assert found == OrderFile(orders=tuple(orders), problems=())
