"""The pictures of a report, drawn from its document alone."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scripts.bench.samples import Spread, percentile

_SIZE: Final = (8.0, 4.5)
_BINS: Final = 60
# A few slow ones would press all others into one bar.
_SHOWN_PER_CENT: Final = 99
_SLICES: Final = 12
Series = dict[str, Any]


def draw(document: dict[str, Any], folder: Path) -> dict[str, str]:
    """Draws what was measured into a folder; returns the files' names by title."""
    series = {row["key"]: row["series"] for row in document["rows"] if "series" in row}
    drawn = {}
    for name, (title, keys, draw_on) in _PLOTS.items():
        given = {key: series[key] for key in keys if key in series}
        if not given:
            continue
        figure = Figure(figsize=_SIZE, layout="constrained")
        draw_on(figure, given)
        figure.suptitle(title)
        figure.savefig(folder / f"{name}.svg")
        drawn[title] = f"{name}.svg"
    return drawn


def _throughput(figure: Figure, series: dict[str, Series]) -> None:
    """Orders a second over workers: of all servers, and of activities that sleep."""
    groups: dict[str, dict[int, list[float]]] = {}
    runs = [
        (run["variant"].split(",")[0], run)
        for key in ("throughput", "echo")
        for run in series.get(key, {"runs": []})["runs"]
    ]
    for name, run in runs:
        rates = groups.setdefault(name, {}).setdefault(run["workers"], [])
        if (rate := run["orders"] / run["seconds"]) not in rates:
            rates.append(rate)
    naps: dict[int, list[float]] = {}
    for run in series.get("workers", {"runs": []})["runs"]:
        naps.setdefault(run["workers"], []).append(run["orders"] / run["seconds"])
    panels = [each for each in (groups, {"sleeping 50 ms": naps} if naps else {}) if each]
    for number, panel in enumerate(panels, start=1):
        axes = figure.add_subplot(1, len(panels), number)
        for name, by_workers in sorted(panel.items()):
            _points(axes, name, by_workers)
        if panel is not groups:
            one = Spread.of(naps[min(naps)]).value / min(naps)
            axes.plot(sorted(naps), [one * count for count in sorted(naps)], ":", label="linear")
        _finish(axes, "workers", "orders/s")
        axes.set_xticks(sorted({count for by_workers in panel.values() for count in by_workers}))


def _points(axes: Axes, name: str, by_workers: dict[int, list[float]]) -> None:
    counts = sorted(by_workers)
    spreads = [Spread.of(by_workers[count]) for count in counts]
    axes.errorbar(
        counts,
        [spread.value for spread in spreads],
        yerr=[
            [spread.value - spread.low for spread in spreads],
            [spread.high - spread.value for spread in spreads],
        ],
        marker="o",
        capsize=4,
        label=name,
    )


def _cost(figure: Figure, series: dict[str, Series]) -> None:
    """Milliseconds for an order over how many have been before, and the small runs' median."""
    found = series["cost"]
    looks = [{"seconds": 0.0, "orders": 0, "server_cpu": 0.0}, *found["looks"]]
    step = max(1, len(looks) // _SLICES)
    ends = looks[::step] if (len(looks) - 1) % step == 0 else [*looks[::step], looks[-1]]
    axes = figure.add_subplot()
    for name, field, of_few in (
        ("wall", "seconds", "seconds"),
        ("scheduler CPU", "server_cpu", "server_cpu"),
    ):
        slices = [
            (end["orders"], 1e3 * (end[field] - begin[field]) / (end["orders"] - begin["orders"]))
            for begin, end in pairwise(ends)
            if end["orders"] > begin["orders"]
        ]
        (line,) = axes.plot([x for x, _ in slices], [y for _, y in slices], marker="o", label=name)
        few = Spread.of([1e3 * run[of_few] / run["orders"] for run in found["few"]]).value
        orders = found["few"][0]["orders"]
        axes.axhline(few, ls=":", color=line.get_color(), label=f"{name}, runs of {orders:,}")
    _finish(axes, "orders so far", "ms an order")


def _latency(figure: Figure, series: dict[str, Series]) -> None:
    """How often an order took how long."""
    found = series["latency"]
    axes = figure.add_subplot()
    groups = {"durable": found["durableSeconds"], "in memory": found["inMemorySeconds"]}
    most = 1e3 * max(percentile(values, _SHOWN_PER_CENT) for values in groups.values())
    for name, seconds in groups.items():
        median = 1e3 * percentile(seconds, 50)
        shown = [1e3 * value for value in seconds if 1e3 * value <= most]
        axes.hist(
            shown, bins=_BINS, range=(0, most), alpha=0.6, label=f"{name}, p50 {median:.1f} ms"
        )
        axes.axvline(median, ls=":", color="black")
    _finish(axes, f"ms ({_SHOWN_PER_CENT} % of all)", "orders")


def _finish(axes: Axes, across: str, up: str) -> None:
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()


_Draw = Callable[[Figure, dict[str, Series]], None]
_PLOTS: Final[dict[str, tuple[str, tuple[str, ...], _Draw]]] = {
    "throughput": (
        "Throughput over workers",
        ("throughput", "echo", "workers"),
        _throughput,
    ),
    "cost": ("Cost per order over N", ("cost",), _cost),
    "latency": ("Latency of one order", ("latency",), _latency),
}
