import pytest

from scripts.bench.options import Options, parse

KEYS = ("fast", "small", "long")
FIRST = ("fast", "small")


def parsed(*arguments: str) -> Options:
    return parse(arguments, KEYS, FIRST)


def test_the_first_rows_are_measured_unless_told_otherwise() -> None:
    assert parsed().rows == FIRST
    assert parsed("--full").rows == KEYS


def test_single_rows_stand_in_the_order_of_the_table_once_each() -> None:
    assert parsed("--only", "long", "--only", "fast", "--only", "long").rows == ("fast", "long")


def test_sizes_that_differ_from_the_targets_are_known() -> None:
    assert parsed().sizes.changed == {}
    assert parsed("--orders", "10", "--rounds", "1").sizes.changed == {"orders": 10}


@pytest.mark.parametrize(
    "arguments", [("--only", "none"), ("--rounds", "0"), ("--orders", "-1"), ("--many", "1e3")]
)
def test_what_cannot_be_used_is_told_and_ends_with_2(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        parsed(*arguments)
    assert exit_.value.code == 2
    assert arguments[0] in capsys.readouterr().err
