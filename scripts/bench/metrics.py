"""What a scheduler tells of itself on its `/metrics`."""

from dataclasses import dataclass
from typing import Self

import httpx
from prometheus_client.parser import text_string_to_metric_families

from scripts.bench.errors import BenchError


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Counters since its start: commits, the seconds that they took, activities answered."""

    commits: int = 0
    commit_seconds: float = 0.0
    activities: int = 0

    @classmethod
    def of(cls, http: str) -> Self:
        """Asks; raises `BenchError` when there is no answer."""
        try:
            text = httpx.get(f"{http}/metrics").raise_for_status().text
        except httpx.HTTPError as error:
            raise BenchError(f"the scheduler does not tell its metrics: {error}") from error
        commits, seconds, activities = 0.0, 0.0, 0.0
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == "scheduler_commits_total":
                    commits += sample.value
                elif sample.name == "scheduler_commit_seconds_total":
                    seconds += sample.value
                elif (
                    sample.name == "scheduler_rpcs_total"
                    and sample.labels["method"] == "CompleteActivityTask"
                    and sample.labels["code"] == "OK"
                ):
                    activities += sample.value
        return cls(commits=int(commits), commit_seconds=seconds, activities=int(activities))
