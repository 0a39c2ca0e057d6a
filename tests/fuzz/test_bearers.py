"""Whatever says who calls is believed or refused, and never told again."""

import random

import pytest

from tests.fuzz.bearers import BearerTokens, TokenFiles
from tests.fuzz.blind import fuzz


@pytest.mark.parametrize("target", ["bearers", "token-files"])
def test_only_what_is_good_is_believed(target: str) -> None:
    tally = fuzz(target, executions=600, seconds=60, seed="1")
    assert {finding.text for finding in tally.findings.values()} == set()
    assert len(tally.outcomes) > 3


def test_good_tokens_are_let_in_and_made_up_ones_are_not() -> None:
    with BearerTokens() as tokens:
        outcomes = [tokens.run(seed) for seed in tokens.seeds()]
    assert outcomes.count("let in") == 4
    assert outcomes[:4] == ["let in"] * 4


def test_a_good_file_is_read_and_a_bad_one_is_not() -> None:
    with TokenFiles() as files:
        assert {files.run(seed) for seed in files.seeds()} == {"read"}
        assert files.run(files.mutate(b"a reader * short", random.Random(1))) != "read"
