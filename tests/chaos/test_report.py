from tests.chaos.faults.table import KINDS
from tests.chaos.report import Injected, Report


def a_report() -> Report:
    """One fault of every kind, and as many starts as a long run has."""
    report = Report(seed=1, minutes=30)
    report.faults = [Injected(kind=kind, lane="any", recovery=123.45) for kind in KINDS]
    report.faults.append(Injected(kind=max(KINDS, key=len), lane="any", recovery=None))
    report.starts = {"dashboard": 103, "scheduler": 310} | {f"worker-{n}": 104 for n in range(1, 5)}
    return report


def test_the_table_fits_a_terminal_and_its_columns_stand_below_one_another() -> None:
    lines = a_report().lines()
    assert max(map(len, lines)) <= 80
    table = lines[: len(KINDS) + 2]
    assert len({len(line) for line in table}) == 1
    # A name may fill its column; what follows it is apart from it all the same.
    for kind in KINDS:
        [row] = [line for line in table if line.startswith(f"{kind} ")]
        injected, recovered, slowest, _unit = row.removeprefix(kind).split()
        assert (injected, recovered, slowest) == (
            ("2" if kind == max(KINDS, key=len) else "1"),
            "1",
            "123.5" if row.endswith("123.5 s") else "123.4",
        )


def test_a_problem_is_told_whole() -> None:
    report = a_report()
    report.problems = ["x" * 200]
    assert f"PROBLEM: {'x' * 200}" in report.lines()
