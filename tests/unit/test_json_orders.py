from decimal import Decimal
from pathlib import Path

import pytest

from services.client.order_files import OrderFile, OrderFileError, read_orders

QUANTITY = "quantity must be a whole number from 1 to 1,000,000"
UNIT_PRICE = "unit_price must be a decimal with at most 2 places from 0.01 to 1,000,000.00"
CUSTOMER = "customer must be text of 1 to 1,000 characters"
NO_OBJECT = (
    "an order must be an object with the fields "
    "order_id, customer, sku, quantity, unit_price, currency"
)
SHAPES = 'the file must hold an array of orders, or {"orders": [...]} and nothing beside it'
# Deeper than any version of Python reads.
DEPTH = 200_000


def order(more: str = "", **tokens: str) -> str:
    """An order's JSON, where single fields have other tokens; `more` stands at its end."""
    fields = {
        "order_id": '"A1"',
        "customer": '"Ada"',
        "sku": '"book"',
        "quantity": "3",
        "unit_price": "12.5",
        "currency": '"EUR"',
    } | tokens
    return "{" + ", ".join(f'"{name}": {token}' for name, token in fields.items()) + more + "}"


FIRST = order()
SECOND = order(order_id='"A2"')


def read(tmp_path: Path, content: str, extension: str = ".json") -> OrderFile:
    path = tmp_path / f"orders{extension}"
    path.write_text(content, encoding="utf-8", newline="")
    return read_orders(path)


def problems_of(tmp_path: Path, content: str, extension: str = ".json") -> list[str]:
    return [str(problem) for problem in read(tmp_path, content, extension).problems]


def refusal_of(tmp_path: Path, content: str) -> str:
    with pytest.raises(OrderFileError) as caught:
        read(tmp_path, content)
    return str(caught.value).removeprefix(f"{tmp_path / 'orders.json'}: ")


@pytest.mark.parametrize(
    ("content", "extension"),
    [
        (f"[{FIRST}, {SECOND}]", ".json"),
        (f'{{"orders":\r\n [{FIRST},\r{SECOND}]}}\n', ".json"),
        (f"{FIRST}\n\n  \n{SECOND}", ".jsonl"),
    ],
    ids=["array", "orders", "lines"],
)
def test_every_shape_is_read(tmp_path: Path, content: str, extension: str) -> None:
    found = read(tmp_path, content, extension)
    assert found.problems == ()
    assert [order.to_wire() for order in found.orders] == [
        {
            "order_id": order_id,
            "customer": "Ada",
            "sku": "book",
            "quantity": 3,
            "unit_price": "12.50",
            "currency": "EUR",
        }
        for order_id in ("A1", "A2")
    ]


@pytest.mark.parametrize(
    ("token", "price"),
    [
        ("999999.99", "999999.99"),
        ('"12.50"', "12.50"),
        ("7", "7.00"),
        ("1e5", "100000.00"),
        ("0.1", "0.10"),
    ],
)
def test_prices_are_numbers_or_text_and_stay_exact(tmp_path: Path, token: str, price: str) -> None:
    found = read(tmp_path, f"[{order(unit_price=token)}]")
    assert [order.unit_price for order in found.orders] == [Decimal(price)]


@pytest.mark.parametrize("extension", [".json", ".jsonl"])
@pytest.mark.parametrize(
    ("field", "token", "problem"),
    [
        ("quantity", '"3"', f"{QUANTITY} (got '3')"),
        ("quantity", "3.0", f"{QUANTITY} (got 3.0)"),
        ("quantity", "true", f"{QUANTITY} (got true)"),
        ("quantity", "false", f"{QUANTITY} (got false)"),
        ("quantity", "null", f"{QUANTITY} (got null)"),
        ("quantity", "[1]", f"{QUANTITY} (got a list)"),
        ("quantity", '{"a": 1}', f"{QUANTITY} (got an object)"),
        ("quantity", "0", f"{QUANTITY} (got 0)"),
        ("quantity", "-1", f"{QUANTITY} (got -1)"),
        ("quantity", "1000001", f"{QUANTITY} (got 1000001)"),
        ("quantity", "NaN", f"{QUANTITY} (got NaN)"),
        ("quantity", "1" * 40, f"{QUANTITY} (got {'1' * 40})"),
        ("quantity", "1" * 41, f"{QUANTITY} (got {'1' * 37}...)"),
        ("quantity", "-" + "1" * 100_000, f"{QUANTITY} (got -{'1' * 36}...)"),
        ("unit_price", "NaN", f"{UNIT_PRICE} (got NaN)"),
        ("unit_price", "Infinity", f"{UNIT_PRICE} (got Infinity)"),
        ("unit_price", "-Infinity", f"{UNIT_PRICE} (got -Infinity)"),
        ("unit_price", '"NaN"', f"{UNIT_PRICE} (got 'NaN')"),
        ("unit_price", "1.005", f"{UNIT_PRICE} (got 1.005)"),
        ("unit_price", "0", f"{UNIT_PRICE} (got 0)"),
        ("unit_price", "1e999999", f"{UNIT_PRICE} (got 1E+999999)"),
        ("unit_price", "1e-999999", f"{UNIT_PRICE} (got 1E-999999)"),
        ("unit_price", "1e99999999999999999999", f"{UNIT_PRICE} (got 1e99999999999999999999)"),
        ("unit_price", "0." + "1" * 100_000, f"{UNIT_PRICE} (got 0.{'1' * 35}...)"),
        ("unit_price", "1" * 100_000, f"{UNIT_PRICE} (got {'1' * 37}...)"),
        ("customer", '" "', f"{CUSTOMER} (got ' ')"),
        ("customer", "5", f"{CUSTOMER} (got 5)"),
        ("customer", "1e99999999999999999999", f"{CUSTOMER} (got 1e99999999999999999999)"),
        ("customer", r'"a\u0000b"', rf"{CUSTOMER} (got 'a\x00b')"),
        ("customer", r'"a\ud800b"', rf"{CUSTOMER} (got 'a\ud800b')"),
        ("customer", f'"{"x" * 1_001}"', f"{CUSTOMER} (got '{'x' * 37}...')"),
        ("order_id", "17", "order_id must be text of 1 to 100 printable characters (got 17)"),
        ("order_id", '""', "order_id must be text of 1 to 100 printable characters (got '')"),
        ("currency", '"EURO"', "currency must be three capital letters, such as EUR (got 'EURO')"),
        (
            "currency",
            r'"EUR\n"',
            r"currency must be three capital letters, such as EUR (got 'EUR\n')",
        ),
    ],
    ids=lambda value: value[:20],
)
def test_a_bad_field_is_a_problem_that_can_be_printed(
    tmp_path: Path, extension: str, field: str, token: str, problem: str
) -> None:
    content = order(**{field: token})
    where = "order 1 (line 1)"
    if extension == ".json":
        content = f"[{content}]"
    else:
        where = "line 1"
    assert problems_of(tmp_path, content, extension) == [f"{where}: {problem}"]
    assert problem.isprintable()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            '{"order_id": "A1", "quantity": 3, "unit_price": 1, "currency": "EUR"}',
            "customer is missing; sku is missing",
        ),
        (order(', "colour": 1, "size": {}'), "unknown fields: 'colour', 'size'"),
        (order(r', "\ud800": 1, "\n": 2'), r"unknown fields: '\ud800', '\n'"),
        (order(f', "{"k" * 99}": 1'), f"unknown fields: '{'k' * 37}...'"),
        (
            order(', "sku": "pen", "quantity": 9, "sku": "ink"'),
            "repeated fields: 'sku', 'quantity'",
        ),
        (
            order(', "x": 1, "x": 2', quantity="0"),
            f"repeated fields: 'x'; unknown fields: 'x'; {QUANTITY} (got 0)",
        ),
        ("5", f"{NO_OBJECT} (got 5)"),
        ("null", f"{NO_OBJECT} (got null)"),
        ("NaN", f"{NO_OBJECT} (got NaN)"),
        ('"A1"', f"{NO_OBJECT} (got 'A1')"),
        ('["A1", "Ada"]', f"{NO_OBJECT} (got a list)"),
    ],
    ids=[
        "missing",
        "unknown",
        "unprintable",
        "long name",
        "repeated",
        "several",
        "number",
        "null",
        "NaN",
        "text",
        "list",
    ],
)
def test_a_row_of_another_shape_is_a_problem(tmp_path: Path, content: str, problem: str) -> None:
    expected = [f"order 1 (line 1): {problem}"]
    assert problems_of(tmp_path, f"[{content}]") == expected
    assert problems_of(tmp_path, content, ".jsonl") == [f"line 1: {problem}"]


def test_an_order_id_stands_once_in_a_file(tmp_path: Path) -> None:
    twice = [FIRST, order(order_id='" A1 "', quantity="0")]
    problem = "order_id 'A1' stands already"
    assert problems_of(tmp_path, f"[{', '.join(twice)}]") == [
        f"order 2 (line 1): {QUANTITY} (got 0); {problem} in order 1"
    ]
    assert problems_of(tmp_path, "\n\n".join(twice), ".jsonl") == [
        f"line 3: {QUANTITY} (got 0); {problem} on line 1"
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[", "broken JSON at line 1, column 2 (expecting value)"),
        ('[{"order_id" 1}]', "broken JSON at line 1, column 14 (expecting ':' delimiter)"),
        ("[1]\n\r\n\r  [2]", "broken JSON at line 4, column 3 (extra data)"),
        ('[\r"a', "broken JSON at line 2, column 1 (unterminated string)"),
        ('["a\tb"]', "broken JSON at line 1, column 4 (invalid control character)"),
        (f"{FIRST}\n{FIRST}", "broken JSON at line 2, column 1 (extra data)"),
        ("[" * DEPTH, "the JSON is nested too deeply"),
        ('{"a":' * DEPTH, "the JSON is nested too deeply"),
    ],
    ids=[
        "cut off",
        "delimiter",
        "line ends",
        "string",
        "tab",
        "lines",
        "deep lists",
        "deep objects",
    ],
)
def test_a_json_file_that_is_broken_is_refused_with_its_place(
    tmp_path: Path, content: str, problem: str
) -> None:
    assert refusal_of(tmp_path, content) == problem


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("5", "5"),
        ("NaN", "NaN"),
        ("null", "null"),
        ('"orders"', "'orders'"),
        ("{}", "an object with no fields"),
        ('{"order": []}', "an object with 'order'"),
        ('{"orders": [], "note": 1}', "an object with 'orders', 'note'"),
        ('{"orders": [], "orders": []}', "an object with 'orders', 'orders'"),
        ('{"orders": {"A1": 1}}', "an object with 'A1'"),
        ('{"orders": null}', "null"),
    ],
)
def test_json_of_another_shape_is_refused(tmp_path: Path, content: str, found: str) -> None:
    assert refusal_of(tmp_path, content) == f"{SHAPES} (got {found})"


def test_a_broken_line_of_json_lines_spoils_no_other(tmp_path: Path) -> None:
    lines = [
        "{",
        FIRST,
        "[" * DEPTH,
        f"{FIRST} {FIRST}",
        '{"order_id": "A',
        SECOND,
    ]
    found = read(tmp_path, "\r\n".join(lines), ".jsonl")
    assert [order.order_id for order in found.orders] == ["A1", "A2"]
    assert [str(problem) for problem in found.problems] == [
        "line 1: broken JSON at column 2 (expecting property name enclosed in double quotes)",
        "line 3: the JSON is nested too deeply",
        f"line 4: broken JSON at column {len(FIRST) + 2} (extra data)",
        "line 5: broken JSON at column 14 (unterminated string)",
    ]


def test_only_line_ends_end_a_line_of_json_lines(tmp_path: Path) -> None:
    names = "a\u2028b\u0085c\u2029d"
    found = read(tmp_path, order(customer=f'"{names}"'), ".jsonl")
    assert [order.customer for order in found.orders] == [names]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_a_bad_order_is_named_with_the_line_that_it_begins_on(tmp_path: Path, end: str) -> None:
    nested = '{"a": [1, "]", {"b":' + end + "[]}]}"
    parts = ['{"orders": [', f"{FIRST},", "", f"  7, {SECOND},", f"{nested}  ,", '"]" ', "]}"]
    found = read(tmp_path, end.join(parts))
    assert [problem.where for problem in found.problems] == [
        "order 2 (line 4)",
        "order 4 (line 5)",
        "order 5 (line 7)",
    ]
    assert [order.order_id for order in found.orders] == ["A1", "A2"]
