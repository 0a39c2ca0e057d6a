"""Reads metrics as Prometheus does: over HTTP, with its own client's parser."""

from collections.abc import Iterator, Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample


def scrape(address: str) -> list[Sample]:
    """All samples that `address` serves under `/metrics` now."""
    text = httpx.get(f"{address}/metrics").raise_for_status().text
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def value(samples: list[Sample], name: str, **labels: str) -> float:
    """The sum of the samples of a name that have these labels."""
    return sum(sample.value for sample in _matching(samples, name, labels))


def _matching(samples: list[Sample], name: str, labels: Mapping[str, str]) -> Iterator[Sample]:
    return (
        sample
        for sample in samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )
