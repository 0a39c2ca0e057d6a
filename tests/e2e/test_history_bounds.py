"""No history of a submission grows beyond 1 MiB, however it is cut and whatever becomes of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.local_stack import LocalStack
from tests.e2e.conftest import CommandLine, StackMaker
from tests.e2e.histories import HISTORY_BYTES_MAX, history_bytes

HEADER = "order_id,customer,sku,quantity,unit_price,currency\n"
# The longest texts there are, in signs of one byte and of twelve in JSON.
LONG, LONGEST = "n" * 1_000, "\N{RECEIPT}" * 1_000


def write(path: Path, count: int, text: str) -> Path:
    rows = (f"{path.stem}-{n},{text},{text},3,12.50,EUR\n" for n in range(1, count + 1))
    path.write_text(HEADER + "".join(rows), encoding="utf-8")
    return path


def largest_history(stack: LocalStack, orders: Path, batch_size: int, *, gave_up: int = 0) -> int:
    ran = CommandLine(stack.environment)("submit", orders, "--batch-size", batch_size, "--json")
    assert ran.code == 0, ran.err
    assert ran.document["by_status"].get("gave_up", 0) == gave_up
    return max(history_bytes(stack, ran.document["instance_id"]).values())


@pytest.mark.parametrize(
    ("batch_size", "count"), [(1, 200), (10, 2_000), (100, 3_500), (1_000, 2_000)]
)
def test_ordinary_orders_in_batches_of_any_size(
    stack: LocalStack, tmp_path: Path, batch_size: int, count: int
) -> None:
    orders = write(tmp_path / f"bound-{batch_size}.csv", count, "Ada Lovelace")
    assert largest_history(stack, orders, batch_size) < HISTORY_BYTES_MAX


@pytest.mark.parametrize("text", [LONG, LONGEST], ids=["long", "longest"])
@pytest.mark.parametrize(("batch_size", "count"), [(1, 120), (10, 400), (500, 500)])
def test_orders_of_the_longest_texts(
    stack: LocalStack, tmp_path: Path, batch_size: int, count: int, text: str
) -> None:
    orders = write(tmp_path / f"{len(text.encode())}-{batch_size}.csv", count, text)
    assert largest_history(stack, orders, batch_size) < HISTORY_BYTES_MAX


@pytest.fixture(scope="module")
def hopeless(new_stack: StackMaker) -> Iterator[LocalStack]:
    """A stack in which every order gives up, after eight tries."""
    with new_stack(workers=2, TRANSIENT_FAILURE_RATE="1") as stack:
        yield stack


@pytest.mark.parametrize(
    ("batch_size", "count", "text"),
    [(10, 320, "Ada"), (250, 250, "Ada"), (60, 60, LONG), (20, 20, LONGEST)],
    ids=["ordinary", "many", "long", "longest"],
)
def test_orders_that_all_give_up(
    hopeless: LocalStack, tmp_path: Path, batch_size: int, count: int, text: str
) -> None:
    orders = write(tmp_path / f"hopeless-{batch_size}.csv", count, text)
    largest = largest_history(hopeless, orders, batch_size, gave_up=count)
    assert largest < HISTORY_BYTES_MAX
