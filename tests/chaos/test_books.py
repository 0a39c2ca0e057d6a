"""The books find an order that is lost, doubled or wrong, and revenue that is off by a cent."""

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from scripts.local_stack import LocalStack
from tests.chaos import books
from tests.chaos.load import Submission
from tests.chaos.orders import Line, new_lines, write
from tests.chaos.stack import FAILURE_RATE
from tests.e2e.conftest import CommandLine, StackMaker

LINES = new_lines(random.Random(1), "books", 40)


@pytest.fixture(scope="module")
def stack(new_stack: StackMaker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A stack that has processed the orders."""
    path = tmp_path_factory.mktemp("orders") / "orders.csv"
    write(path, LINES)
    with new_stack(workers=1, FAILURE_RATE=str(FAILURE_RATE)) as stack:
        ran = CommandLine(stack.environment)("submit", path, "--instance-id", "books")
        assert ran.code == 0, ran.err
        yield stack


def mistakes(stack: LocalStack, lines: list[Line], name: str = "books", **fields: bool) -> str:
    submission = Submission(instance_id=name, lines=lines, **{"acknowledged": True, **fields})
    return "\n".join(books.mistakes(stack.environment, [submission]))


def test_what_is_as_it_must_be_is_no_mistake(stack: LocalStack) -> None:
    assert {line.outcome["status"] for line in LINES} == {"completed", "failed"}
    assert mistakes(stack, LINES) == ""


def test_a_cent_is_a_mistake(stack: LocalStack) -> None:
    at = next(n for n, line in enumerate(LINES) if line.outcome["status"] == "completed")
    wrong = [*LINES]
    wrong[at] = replace(wrong[at], cents=wrong[at].cents + 1, quantity=1)
    assert "the summary says {'revenue':" in mistakes(stack, wrong)


def test_an_order_without_an_outcome_is_a_mistake(stack: LocalStack) -> None:
    assert "40 outcomes of 41 orders" in mistakes(stack, [*LINES, replace(LINES[0], order_id="x")])


def test_an_outcome_too_many_is_a_mistake(stack: LocalStack) -> None:
    assert "40 outcomes of 39 orders" in mistakes(stack, LINES[:-1])


def test_what_was_acknowledged_and_is_not_there_is_lost(stack: LocalStack) -> None:
    assert mistakes(stack, LINES, "gone") == "gone was acknowledged and is lost"
    assert mistakes(stack, LINES, "gone", acknowledged=False) == ""
