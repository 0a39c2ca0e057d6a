"""Adds up outcomes and summaries, as the plain dicts that orchestrators carry.

Deterministic, as everything that an orchestrator calls must be. `services.shared.orders.Summary` is
the shape.
"""

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from services.shared.orders import FAILURES_LISTED_MAX


def summarise(outcomes: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The summary of one batch's outcomes, in their order."""
    statuses: Counter[str] = Counter()
    revenue: dict[str, Decimal] = {}
    failures: list[dict[str, str]] = []
    for outcome in outcomes:
        statuses[outcome["status"]] += 1
        if outcome["status"] == "completed":
            currency = outcome["currency"]
            revenue[currency] = revenue.get(currency, Decimal(0)) + Decimal(outcome["amount"])
        else:
            failures.append({"order_id": outcome["order_id"], "reason": outcome["reason"]})
    return _summary(
        orders=statuses.total(),
        batches=1,
        statuses=statuses,
        revenue=revenue,
        failures=failures,
        failures_total=len(failures),
    )


def merge(summaries: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The summary of many summaries, in their order."""
    orders = batches = failures_total = 0
    statuses: Counter[str] = Counter()
    revenue: dict[str, Decimal] = {}
    failures: list[dict[str, str]] = []
    for summary in summaries:
        orders += summary["orders"]
        batches += summary["batches"]
        failures_total += summary["failures_total"]
        statuses.update(summary["by_status"])
        for currency, amount in summary["revenue"].items():
            revenue[currency] = revenue.get(currency, Decimal(0)) + Decimal(amount)
        failures.extend(summary["failures"][: FAILURES_LISTED_MAX - len(failures)])
    return _summary(
        orders=orders,
        batches=batches,
        statuses=statuses,
        revenue=revenue,
        failures=failures,
        failures_total=failures_total,
    )


def _summary(  # noqa: PLR0913 - one argument for each field of the summary
    *,
    orders: int,
    batches: int,
    statuses: Counter[str],
    revenue: dict[str, Decimal],
    failures: list[dict[str, str]],
    failures_total: int,
) -> dict[str, Any]:
    by_status = {"completed": statuses["completed"], "failed": statuses["failed"]}
    if statuses["gave_up"]:
        by_status["gave_up"] = statuses["gave_up"]
    return {
        "orders": orders,
        "batches": batches,
        "by_status": by_status,
        "revenue": {currency: f"{revenue[currency]:.2f}" for currency in sorted(revenue)},
        "failures": failures[:FAILURES_LISTED_MAX],
        "failures_total": failures_total,
    }
