from pathlib import Path

import pytest

from services.client.order_files import OrderFile, OrderFileError, read_orders

HEADER = "order_id,customer,sku,quantity,unit_price,currency"
GOOD = "A1,Ada,book,3,12.5,EUR"
QUANTITY = "quantity must be a whole number from 1 to 1,000,000"
UNIT_PRICE = "unit_price must be a decimal with at most 2 places from 0.01 to 1,000,000.00"
REPEATED = "order_id 'A1' stands already"
COLUMNS = "(the columns are order_id, customer, sku, quantity, unit_price, currency)"
QUOTES = 'look for a missing or a stray quote (")'


def read(tmp_path: Path, *lines: str) -> OrderFile:
    path = tmp_path / "orders.csv"
    path.write_text("\n".join(lines), encoding="utf-8", newline="")
    return read_orders(path)


def problems_of(tmp_path: Path, *lines: str) -> list[str]:
    return [str(problem) for problem in read(tmp_path, HEADER, *lines).problems]


def refusal_of(tmp_path: Path, *lines: str) -> str:
    with pytest.raises(OrderFileError) as caught:
        read(tmp_path, *lines)
    return str(caught.value).removeprefix(f"{tmp_path / 'orders.csv'}: ")


def test_columns_stand_in_any_order_and_blanks_around_cells_do_not_count(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "currency, sku ,unit_price,quantity,customer,order_id",
        " EUR ,\tbook, 12.50 , 007 , Ada Lovelace , A1 ",
    )
    assert found.problems == ()
    assert [order.to_wire() for order in found.orders] == [
        {
            "order_id": "A1",
            "customer": "Ada Lovelace",
            "sku": "book",
            "quantity": 7,
            "unit_price": "12.50",
            "currency": "EUR",
        }
    ]


def test_blank_lines_do_not_count_as_rows_but_as_lines(tmp_path: Path) -> None:
    found = read(tmp_path, "", HEADER, "", GOOD, "   ", '""', "A2,Ada")
    assert [order.order_id for order in found.orders] == ["A1"]
    assert [str(problem) for problem in found.problems] == ["line 7: 2 fields found, 6 expected"]


def test_quoted_cells_hold_commas_quotes_and_newlines(tmp_path: Path) -> None:
    found = read(tmp_path, HEADER, 'A1,"Ada ""A"", Lovelace\r\nLondon\r1843",book,3,12.5,EUR')
    assert [order.customer for order in found.orders] == ['Ada "A", Lovelace\r\nLondon\r1843']


def test_a_row_is_where_it_starts_however_many_lines_it_takes(tmp_path: Path) -> None:
    assert problems_of(tmp_path, 'A1,"a\nb\r\nc\rd",book,0,1,EUR', "A2,Ada,book,0,1,EUR") == [
        f"line 2: {QUANTITY} (got 0)",
        f"line 6: {QUANTITY} (got 0)",
    ]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("A1", "1 field found, 6 expected"),
        ("A1,Ada,book,3,12.5", "5 fields found, 6 expected"),
        ("A1,Lovelace, Ada,book,3,12.5,EUR", "7 fields found, 6 expected"),
    ],
    ids=["one", "short", "long"],
)
def test_a_short_or_long_row_is_a_problem(tmp_path: Path, row: str, problem: str) -> None:
    assert problems_of(tmp_path, row) == [f"line 2: {problem}"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("abc", "'abc'"),
        ("", "''"),
        ("0", "0"),
        ("1000001", "1000001"),
        ("999999999999", "999999999999"),
        ("1000000000000", "'1000000000000'"),
        ("-1", "'-1'"),
        ("+1", "'+1'"),
        ("1.0", "'1.0'"),
        ("1e3", "'1e3'"),
        ("1_000", "'1_000'"),
        ("٣", "'٣'"),
        ("NaN", "'NaN'"),
        ("9" * 5_000, f"'{'9' * 37}...'"),
        ("\x1b[31m5", r"'\x1b[31m5'"),
    ],
)
def test_a_quantity_is_a_whole_number(tmp_path: Path, value: str, shown: str) -> None:
    assert problems_of(tmp_path, f"A1,Ada,book,{value},12.5,EUR") == [
        f"line 2: {QUANTITY} (got {shown})"
    ]


@pytest.mark.parametrize(
    "value",
    ["", "abc", "0", "0.00", "-1", "1.005", "1000000.01", "1e2", "NaN", "inf", "Infinity", "€5"],
)
def test_a_unit_price_is_a_decimal(tmp_path: Path, value: str) -> None:
    assert problems_of(tmp_path, f"A1,Ada,book,3,{value},EUR") == [
        f"line 2: {UNIT_PRICE} (got '{value}')"
    ]


def test_prices_are_exact(tmp_path: Path) -> None:
    found = read(tmp_path, HEADER, "A1,Ada,book,1000000,1000000.00,EUR", "A2,Ada,book,1,0.01,EUR")
    assert [str(order.amount) for order in found.orders] == ["1000000000000.00", "0.01"]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (" ,Ada,book,3,1,EUR", "order_id must be text of 1 to 100 printable characters (got '')"),
        (
            f"{'x' * 101},Ada,book,3,1,EUR",
            f"order_id must be text of 1 to 100 printable characters (got '{'x' * 37}...')",
        ),
        ("A1,,book,3,1,EUR", "customer must be text of 1 to 1,000 characters (got '')"),
        (
            f"A1,Ada,{'x' * 1_001},3,1,EUR",
            f"sku must be text of 1 to 1,000 characters (got '{'x' * 37}...')",
        ),
        ("A1,Ada,book,3,1,eur", "currency must be three capital letters, such as EUR (got 'eur')"),
        (
            'A1,Ada,book,3,1,"E\nR"',
            r"currency must be three capital letters, such as EUR (got 'E\nR')",
        ),
    ],
    ids=["blank id", "long id", "no customer", "long sku", "small currency", "newline"],
)
def test_text_is_as_the_contract_says(tmp_path: Path, row: str, problem: str) -> None:
    assert problems_of(tmp_path, row) == [f"line 2: {problem}"]


def test_the_problems_of_one_row_stand_together(tmp_path: Path) -> None:
    assert problems_of(tmp_path, GOOD, "A1,Ada,book,x,y,EUR") == [
        f"line 3: {QUANTITY} (got 'x'); {UNIT_PRICE} (got 'y'); {REPEATED} on line 2"
    ]


def test_an_order_id_stands_once_even_when_its_first_row_is_bad(tmp_path: Path) -> None:
    found = read(tmp_path, HEADER, "A1,Ada,book,0,1,EUR", " A1 ,Ada,book,3,1,EUR", GOOD)
    assert found.orders == ()
    assert [str(problem) for problem in found.problems] == [
        f"line 2: {QUANTITY} (got 0)",
        f"line 3: {REPEATED} on line 2",
        f"line 4: {REPEATED} on line 2",
    ]


def test_a_blank_id_repeats_no_other(tmp_path: Path) -> None:
    problem = "order_id must be text of 1 to 100 printable characters (got '')"
    assert problems_of(tmp_path, ",Ada,book,3,1,EUR", " ,Ada,book,3,1,EUR") == [
        f"line 2: {problem}",
        f"line 3: {problem}",
    ]


def test_good_rows_keep_their_order_beside_bad_ones(tmp_path: Path) -> None:
    found = read(tmp_path, HEADER, "B,Ada,book,3,1,EUR", "bad", "A,Ada,book,3,1,EUR", "worse")
    assert [order.order_id for order in found.orders] == ["B", "A"]
    assert [problem.where for problem in found.problems] == ["line 3", "line 5"]


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("order_id,customer,quantity,currency", "missing columns: 'sku', 'unit_price'"),
        (f"{HEADER},colour,", "unknown columns: 'colour', ''"),
        (f"{HEADER},sku,sku, order_id", "repeated columns: 'order_id', 'sku'"),
        (
            "order_id,customer,SKU,quantity,unit_price,quantity,currency",
            "missing columns: 'sku'; unknown columns: 'SKU'; repeated columns: 'quantity'",
        ),
        (
            f"{HEADER},{','.join(f'c{number}' for number in range(1_234))}",
            "unknown columns: 'c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6' and 1,227 more",
        ),
    ],
    ids=["missing", "unknown", "repeated", "all at once", "many"],
)
def test_a_header_with_other_columns_is_refused(tmp_path: Path, header: str, problem: str) -> None:
    assert refusal_of(tmp_path, header, GOOD) == f"line 1: {problem} {COLUMNS}"


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([GOOD, 'A2,"Ada,book,3,1,EUR', GOOD, ""], "line 3: broken CSV (unexpected end of data)"),
        (
            ['A1,"a\nb",c,3,1,EUR', 'A2,"Ada"x,b,3,1,EUR'],
            """line 4: broken CSV (',' expected after '"')""",
        ),
        (
            [GOOD, 'A2,"Ada,book,3,1,EUR', *[GOOD] * 10_000],
            "line 3: broken CSV (field larger than field limit (131072))",
        ),
    ],
    ids=["open quote", "stray quote", "open quote in a long file"],
)
def test_broken_quotes_are_refused_with_the_line_of_their_row(
    tmp_path: Path, lines: list[str], problem: str
) -> None:
    assert refusal_of(tmp_path, HEADER, *lines) == f"{problem}; {QUOTES}"
