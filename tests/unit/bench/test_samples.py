import pytest

from scripts.bench.samples import Spread, percentile


def test_a_spread_is_the_median_with_its_range() -> None:
    assert Spread.of([3.0, 1.0, 7.0]) == Spread(value=3.0, low=1.0, high=7.0, count=3)


def test_a_spread_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        Spread.of([])


def test_the_width_of_a_spread_is_a_share_of_its_middle() -> None:
    assert Spread.of([8.0, 10.0, 13.0]).width == pytest.approx(0.5)
    assert Spread.of([0.0]).width == 0


def test_a_ratio_is_that_of_the_medians_and_its_range_that_of_the_rounds() -> None:
    # The machine was half as fast in the second round, for both of them.
    ratio = Spread.of_ratio([100.0, 50.0, 90.0], [80.0, 40.0, 100.0])
    assert ratio.value == pytest.approx(90 / 80)
    assert ratio.low == pytest.approx(0.9)
    assert ratio.high == pytest.approx(1.25)
    assert ratio.count == 3


def test_a_ratio_of_unequally_many_runs_is_refused() -> None:
    with pytest.raises(ValueError, match="2 values cannot be compared with 1"):
        Spread.of_ratio([1.0, 2.0], [1.0])


@pytest.mark.parametrize(("per_cent", "value"), [(1, 1.0), (50, 2.0), (75, 3.0), (99, 4.0)])
def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(
    per_cent: float, value: float
) -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], per_cent) == value


@pytest.mark.parametrize(("values", "per_cent"), [([], 50), ([1.0], 0), ([1.0], 101)])
def test_a_percentile_that_does_not_exist_is_refused(values: list[float], per_cent: float) -> None:
    with pytest.raises(ValueError, match="no percentile"):
        percentile(values, per_cent)
