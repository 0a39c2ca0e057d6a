"""The board and the alarms ask for nothing that running processes do not export."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client.samples import Sample

from scripts.local_stack import ROOT
from tests.e2e.conftest import CommandLine, StackMaker
from tests.e2e.processes import wait_until
from tests.e2e.scraped import scrape, value
from tests.e2e.test_worker_metrics import address_of

OrdersFile = Callable[..., Path]
FOLDER = ROOT / "deploy" / "observability"
RULES = yaml.safe_load((FOLDER / "prometheus" / "rules.yaml").read_text())
BOARD = json.loads((FOLDER / "grafana" / "boards" / "durable-task.json").read_text())
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
# What Prometheus itself adds to what it scrapes.
OF_PROMETHEUS = {"up": {"job", "instance"}}
OF_A_SCRAPE = {"job", "instance"}


def alarms() -> list[dict[str, Any]]:
    return [rule for group in RULES["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [panel for panel in BOARD["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[tuple[str, str]]:
    """Each expression and where it stands."""
    for rule in alarms():
        yield rule["alert"], rule["expr"]
    for panel in panels():
        for target in panel["targets"]:
            # As Grafana asks with all task hubs chosen.
            yield panel["title"], target["expr"].replace("$task_hub", ".*")


def selectors(expression: str) -> list[Any]:
    """What an expression reads; raises `ValueError` where it is no PromQL."""
    found: list[Any] = []

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)

    promql_parser.walk(promql_parser.parse(expression), visit)
    return found


@pytest.fixture(scope="module")
def exported(new_stack: StackMaker, tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """What a scheduler and a worker export after a run and a refused call."""
    orders = tmp_path_factory.mktemp("orders") / "board.csv"
    rows = "".join(f"board-{n},Ada,book,1,2.50,EUR\n" for n in range(1, 31))
    orders.write_text(f"order_id,customer,sku,quantity,unit_price,currency\n{rows}")
    with new_stack(workers=1, WORKER_METRICS_PORT="0") as stack:
        http = f"http://127.0.0.1:{stack.http_port}"
        worker = address_of(stack)
        wait_until(lambda: value(scrape(worker), "worker_connected") == 1)
        CommandLine(stack.environment)("submit", orders)
        scrape(http)
        return [*scrape(http), *scrape(worker)]


def test_every_metric_and_label_of_the_board_and_of_the_alarms_is_exported(
    exported: list[Sample],
) -> None:
    labels: dict[str, set[str]] = dict(OF_PROMETHEUS)
    for sample in exported:
        labels.setdefault(sample.name, set(OF_A_SCRAPE)).update(sample.labels)
    wanted = 0
    for where, expression in expressions():
        for selector in selectors(expression):
            assert selector.name in labels, (where, selector.name)
            for matcher in selector.matchers.matchers:
                assert matcher.name in labels[selector.name], (where, expression)
            wanted += 1
        for grouped in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression):
            known = set.union(*(labels[one.name] for one in selectors(expression)))
            assert {name.strip() for name in grouped.split(",")} <= known, (where, expression)
    assert wanted > 60


def test_what_the_board_shows_as_a_name_is_a_label_that_its_expression_keeps() -> None:
    for panel in panels():
        for target in panel["targets"]:
            names = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            kept = re.findall(r"\bby \(([^)]*)\)", target["expr"])
            if kept:
                assert names <= {name.strip() for one in kept for name in one.split(",")}, panel


def test_the_values_that_alarms_name_are_values_that_are_exported(
    exported: list[Sample],
) -> None:
    told = {
        (sample.name, label, text) for sample in exported for label, text in sample.labels.items()
    }
    for name, label, text in (
        ("scheduler_orchestrations_ended_total", "status", "failed"),
        ("scheduler_rpcs_total", "code", "OK"),
        ("worker_activity_duration_seconds_count", "outcome", "failed"),
    ):
        assert (name, label, text) in told
    assert {kind for name, _, kind in told if name == "scheduler_work_items_waiting"} >= {
        "orchestration",
        "activity",
        "entity",
    }


def test_every_alarm_says_what_it_is_and_the_page_for_operators_what_to_do() -> None:
    names = [rule["alert"] for rule in alarms()]
    assert len(set(names)) == len(names)
    section = OPERATIONS.split("\n## Alarms\n")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE) == names
    for rule in alarms():
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["summary"].strip()


def test_every_exported_metric_is_explained_to_operators(exported: list[Sample]) -> None:
    section = OPERATIONS.split("\n## What to watch\n")[1].split("\n## ")[0]
    told = set(re.findall(r"`((?:scheduler|worker)_\w+)`", section))
    families = {
        re.sub(r"_(bucket|sum|count)$", "", sample.name)
        for sample in exported
        if sample.name.startswith(("scheduler_", "worker_"))
        and not sample.name.endswith("_created")
    }
    assert told == families


def test_the_board_is_whole() -> None:
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    for panel in panels():
        assert panel["description"]
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"prometheus"}
