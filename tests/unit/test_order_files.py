import codecs
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.client.generate import generate_orders, write_csv
from services.client.order_files import (
    FILE_BYTES_MAX,
    OrderFileError,
    RowProblem,
    describe_problems,
    read_orders,
)

HEADER = "order_id,customer,sku,quantity,unit_price,currency"
LINE = "A1,Ada,book,3,12.5,EUR"
OBJECT = (
    '{"order_id": "A1", "customer": "Ada", "sku": "book", "quantity": 3, "unit_price": 12.5,'
    ' "currency": "EUR"}'
)
CONTENTS = {".csv": f"{HEADER}\n{LINE}\n", ".json": f"[{OBJECT}]", ".jsonl": OBJECT}
EVERY_FORMAT = pytest.mark.parametrize("extension", CONTENTS)


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refusal_of(path: Path) -> str:
    with pytest.raises(OrderFileError) as caught:
        read_orders(path)
    return str(caught.value)


@pytest.fixture
def without_root() -> Iterator[None]:
    """An effective user whom file permissions hold."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield
    os.seteuid(user)


@EVERY_FORMAT
def test_a_file_is_read_by_its_extension_in_any_case(tmp_path: Path, extension: str) -> None:
    for name in (f"a{extension}", f"b{extension.upper()}"):
        found = read_orders(write(tmp_path / name, CONTENTS[extension]))
        assert [order.to_wire() for order in found.orders] == [
            {
                "order_id": "A1",
                "customer": "Ada",
                "sku": "book",
                "quantity": 3,
                "unit_price": "12.50",
                "currency": "EUR",
            }
        ]
        assert found.problems == ()


@EVERY_FORMAT
def test_a_byte_order_mark_changes_nothing(tmp_path: Path, extension: str) -> None:
    content = codecs.BOM_UTF8 + CONTENTS[extension].encode()
    found = read_orders(write(tmp_path / f"a{extension}", content))
    assert [order.order_id for order in found.orders] == ["A1"]
    assert found.problems == ()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("extension", [".csv", ".jsonl"])
def test_lines_end_in_any_style(tmp_path: Path, extension: str, end: str) -> None:
    first = CONTENTS[extension].rstrip("\n")
    lines = [*first.splitlines(), first.splitlines()[-1].replace("A1", "A2"), "bad"]
    found = read_orders(write(tmp_path / f"a{extension}", end.join(lines)))
    assert [order.order_id for order in found.orders] == ["A1", "A2"]
    assert [problem.where for problem in found.problems] == [f"line {len(lines)}"]


@EVERY_FORMAT
@pytest.mark.parametrize("content", ["", " \n\r\n\t\n", "\ufeff"], ids=["bare", "blank", "BOM"])
def test_an_empty_file_is_refused(tmp_path: Path, extension: str, content: str) -> None:
    path = write(tmp_path / f"a{extension}", content)
    assert refusal_of(path) == f"{path}: the file is empty"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", HEADER),
        ("a.csv", f"{HEADER}\r\n\r\n   \r\n"),
        ("a.json", "[]"),
        ("a.json", '{"orders": []}'),
    ],
    ids=["header only", "header and blank lines", "empty array", "empty orders"],
)
def test_a_file_without_orders_is_refused(tmp_path: Path, name: str, content: str) -> None:
    path = write(tmp_path / name, content)
    assert refusal_of(path) == f"{path}: the file holds no orders"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.csv"
    assert refusal_of(path) == f"{path}: there is no such file"


def test_a_directory_is_refused(tmp_path: Path) -> None:
    assert refusal_of(tmp_path) == f"{tmp_path}: this is a directory, not a file"


def test_a_file_that_may_not_be_read_is_refused(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path = write(tmp_path / "a.csv", CONTENTS[".csv"])
    path.chmod(0)
    request.getfixturevalue("without_root")
    assert refusal_of(path) == f"{path}: the permission to read it is missing"


def test_a_name_that_the_system_refuses_is_refused_in_its_words(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 300 + ".csv")
    assert refusal_of(path) == f"{path}: the file cannot be read (File name too long)"


def test_a_name_with_a_nul_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a\0.csv"
    assert refusal_of(path) == f"{str(path)!r}: no file can have this name"


@pytest.mark.parametrize("name", ["a\x1b[2J.csv", "a\udcff.csv"], ids=["escape", "no UTF-8"])
def test_a_name_that_cannot_be_printed_is_escaped(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    refusal = refusal_of(path)
    assert refusal == f"{str(path)!r}: there is no such file"
    assert refusal.isprintable()


@pytest.mark.parametrize(
    ("name", "extension"),
    [("a.xlsx", "'.xlsx'"), ("orders", "''"), (".csv", "''")],
    ids=["another", "none", "a hidden file"],
)
def test_an_unknown_extension_is_refused_with_the_known_ones(
    tmp_path: Path, name: str, extension: str
) -> None:
    path = write(tmp_path / name, CONTENTS[".csv"])
    expected = f"{path}: unknown extension {extension}; known are .csv, .json, .jsonl"
    assert refusal_of(path) == expected


def test_a_file_above_the_size_limit_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", CONTENTS[".csv"])
    os.truncate(path, FILE_BYTES_MAX + 1)
    assert refusal_of(path) == f"{path}: the file is larger than 64 MiB"


def test_a_file_at_the_size_limit_is_looked_at(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", CONTENTS[".csv"])
    os.truncate(path, FILE_BYTES_MAX)
    assert refusal_of(path) == f"{path}: line 3 holds a NUL byte; is this text?"


@EVERY_FORMAT
@pytest.mark.parametrize(
    ("mark", "encoding", "shown"),
    [
        (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"),
        (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16"),
        (codecs.BOM_UTF32_LE, "utf-32-le", "UTF-32"),
        (codecs.BOM_UTF32_BE, "utf-32-be", "UTF-32"),
    ],
    ids=["UTF-16 LE", "UTF-16 BE", "UTF-32 LE", "UTF-32 BE"],
)
def test_another_unicode_encoding_is_recognised(
    tmp_path: Path, extension: str, mark: bytes, encoding: str, shown: str
) -> None:
    path = write(tmp_path / f"a{extension}", mark + CONTENTS[extension].encode(encoding))
    assert refusal_of(path) == f"{path}: the text is {shown}; save it as UTF-8"


@EVERY_FORMAT
@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"caf\xe9", "line 1: byte 4 of the file (0xe9)"),
        (b"a\r\nb\rc\n\xff", "line 4: byte 8 of the file (0xff)"),
        (codecs.BOM_UTF8 + b"a\n\xe9\n", "line 2: byte 6 of the file (0xe9)"),
        (b"a\n\xc3", "line 2: byte 3 of the file (0xc3)"),
        (b"x" * 1_999 + b"\x80", "line 1: byte 2,000 of the file (0x80)"),
    ],
    ids=["Latin-1", "all line ends", "after a BOM", "cut off", "far out"],
)
def test_a_byte_that_is_not_utf_8_is_named_with_its_place(
    tmp_path: Path, extension: str, content: bytes, place: str
) -> None:
    path = write(tmp_path / f"a{extension}", content)
    assert refusal_of(path) == f"{path}: {place} is not UTF-8; save the text as UTF-8"


@EVERY_FORMAT
def test_a_nul_byte_is_refused_with_its_line(tmp_path: Path, extension: str) -> None:
    path = write(tmp_path / f"a{extension}", b"a\r\nb\rc\0\n")
    assert refusal_of(path) == f"{path}: line 3 holds a NUL byte; is this text?"


@pytest.mark.timeout(30)  # comparing each id with all others would take minutes
def test_a_hundred_thousand_rows_are_read_in_seconds(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        write_csv(generate_orders(50_000, seed=1), stream)
    lines = path.read_text().splitlines(keepends=True)
    write(path, "".join(lines + lines[1:]))
    found = read_orders(path)
    assert found.orders == tuple(generate_orders(50_000, seed=1))
    assert (
        str(found.problems[-1]) == "line 100001: order_id 'ORD-050000' stands already on line 50001"
    )
    assert len(found.problems) == 50_000


PROBLEMS = [RowProblem(where=f"line {number}", message="bad") for number in range(2, 1_500)]


@pytest.mark.parametrize(
    ("count", "last"),
    [
        (1, "line 2: bad"),
        (10, "line 11: bad"),
        (11, "... and 1 more"),
        (1_498, "... and 1,488 more"),
    ],
    ids=str,
)
def test_the_first_ten_problems_are_described(count: int, last: str) -> None:
    described = describe_problems(PROBLEMS[:count]).split("\n")
    assert described[:10] == [str(problem) for problem in PROBLEMS[:count][:10]]
    assert described[-1] == last
    assert len(described) == min(count, 11)


def test_as_many_problems_are_described_as_asked_for() -> None:
    assert describe_problems(PROBLEMS[:3], limit=1) == "line 2: bad\n... and 2 more"
    assert describe_problems([]) == ""
