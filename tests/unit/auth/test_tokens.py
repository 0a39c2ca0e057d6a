import hashlib
import hmac
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts.local_stack import ROOT
from services.scheduler.auth import tokens
from services.scheduler.auth.gate import Gate
from services.scheduler.auth.identity import Access, Role
from services.scheduler.auth.secret_files import FileRefusedError
from services.scheduler.auth.tokens import TokenFile
from services.scheduler.errors import (
    AuthenticationAwayError,
    ForbiddenError,
    UnauthenticatedError,
)
from tests.unit.auth.scarce_files import no_more_files

READER, WORKER = "r" * 32, "w" * 40
LINES = f"# a comment\n\nboard reader default,orders {READER}\nworkers contributor * {WORKER}\n"

Writer = Callable[..., Path]


@pytest.fixture
def written(tmp_path: Path) -> Writer:
    """Writes a token file that is its owner's alone."""

    def write(text: str, mode: int = 0o600) -> Path:
        path = tmp_path / "tokens"
        path.write_text(text)
        path.chmod(mode)
        return path

    return write


def test_a_token_is_somebody_with_a_role_in_task_hubs(written: Writer) -> None:
    file = TokenFile(written(LINES))
    board, workers = file.verify(READER), file.verify(WORKER)
    assert (board.name, board.role, board.hubs) == (
        "board",
        Role.READER,
        frozenset({"default", "orders"}),
    )
    assert (workers.name, workers.role, workers.hubs) == ("workers", Role.CONTRIBUTOR, None)


def test_a_token_can_be_kept_as_its_digest_alone(written: Writer) -> None:
    digest = hashlib.sha256(READER.encode()).hexdigest()
    file = TokenFile(written(f"board reader default sha256:{digest}\n"))
    assert file.verify(READER).name == "board"
    with pytest.raises(UnauthenticatedError):
        file.verify(f"sha256:{digest}")


def test_an_unknown_token_is_refused_without_being_told(written: Writer) -> None:
    file = TokenFile(written(LINES))
    for unknown in ("x" * 32, READER[:-1], READER + "r", READER.upper()):
        with pytest.raises(UnauthenticatedError) as refused:
            file.verify(unknown)
        assert unknown not in str(refused.value)


def test_every_token_is_compared_in_constant_time_whichever_it_is(
    written: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[int, int]] = []

    def counting(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return hmac.compare_digest(one, other)

    class Counted:
        compare_digest = staticmethod(counting)

    file = TokenFile(written(LINES))
    monkeypatch.setattr(tokens, "hmac", Counted)
    for token in (READER, WORKER):
        file.verify(token)
    with pytest.raises(UnauthenticatedError):
        file.verify("x")
    assert compared == [(32, 32)] * 6


def test_a_changed_file_counts_from_the_next_call_on(written: Writer) -> None:
    file = TokenFile(written(LINES))
    file.verify(READER)
    written(f"workers contributor * {WORKER}\nnew reader * {'n' * 32}\n")
    with pytest.raises(UnauthenticatedError):
        file.verify(READER)
    assert file.verify("n" * 32).name == "new"


def test_a_file_of_the_same_size_and_time_is_another_file(written: Writer) -> None:
    path = written(LINES)
    file = TokenFile(path)
    before = path.stat()
    other = path.with_name("other")
    other.write_text(LINES.replace(READER, "n" * 32))
    other.chmod(0o600)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)
    with pytest.raises(UnauthenticatedError):
        file.verify(READER)


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644, 0o666])
def test_a_file_that_others_can_read_or_write_is_refused(written: Writer, mode: int) -> None:
    with pytest.raises(FileRefusedError, match="open to everybody"):
        TokenFile(written(LINES, mode))


def test_a_group_may_share_it(written: Writer) -> None:
    assert TokenFile(written(LINES, 0o640)).verify(READER).name == "board"


BREAKS: list[Callable[[Path], Any]] = [
    lambda path: path.chmod(0o644),
    lambda path: path.unlink(),
    lambda path: path.write_text("what is this\n"),
    lambda path: path.write_bytes(b"\xff\xfe"),
    lambda path: path.write_text(""),
]


@pytest.mark.parametrize("spoil", BREAKS, ids=["mode", "gone", "wrong", "binary", "empty"])
def test_a_file_that_has_become_bad_lets_nobody_in_until_it_is_good(
    written: Writer, spoil: Callable[[Path], Any], caplog: pytest.LogCaptureFixture
) -> None:
    path = written(LINES)
    file = TokenFile(path)
    spoil(path)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            with pytest.raises(AuthenticationAwayError):
                file.verify(WORKER)
    [told] = caplog.messages
    assert "SCHEDULER_TOKEN_FILE" in told
    written(LINES)
    assert file.verify(WORKER).name == "workers"


def test_a_file_that_could_not_be_read_for_a_moment_is_read_the_next_time(written: Writer) -> None:
    path = written(LINES)
    file = TokenFile(path)
    written(f"new reader * {'n' * 32}\n")
    with no_more_files(), pytest.raises(AuthenticationAwayError):
        file.verify(WORKER)
    assert file.verify("n" * 32).name == "new"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("board reader default", "NAME ROLE HUBS TOKEN"),
        (f"board reader default {'t' * 32} more", "NAME ROLE HUBS TOKEN"),
        (f"bo/ard reader default {'t' * 32}", "NAME must be"),
        (f"board owner default {'t' * 32}", "ROLE must be"),
        (f"board reader de.fault {'t' * 32}", "HUBS must be"),
        (f"board reader a,,b {'t' * 32}", "HUBS must be"),
        (f"board reader team-*,b {'t' * 32}", "HUBS must be"),
        (f"board reader ** {'t' * 32}", "HUBS must be"),
        ("board reader default tooshort", "TOKEN must be"),
        (f"board reader default {'t' * 31}!", "TOKEN must be"),
        (f"board reader default {'t' * 31}", "TOKEN must be"),
        ("board reader default sha256:abc", "TOKEN must be"),
    ],
)
def test_a_bad_line_is_told_by_its_number_and_never_shown(
    written: Writer, line: str, what: str
) -> None:
    with pytest.raises(FileRefusedError, match="line 2") as refused:
        TokenFile(written(f"# first\n{line}\n"))
    assert what in str(refused.value)
    assert "t" * 31 not in str(refused.value)
    assert "tooshort" not in str(refused.value)


def test_names_and_tokens_stand_once(written: Writer) -> None:
    for line in (f"board reader * {'x' * 32}", f"other reader * {READER}"):
        with pytest.raises(FileRefusedError, match="twice"):
            TokenFile(written(LINES + line))


def test_there_is_a_bound_on_tokens_and_on_the_file(written: Writer) -> None:
    many = "".join(f"n{n} reader * {n:032d}\n" for n in range(tokens.TOKENS_MAX + 1))
    with pytest.raises(FileRefusedError, match="more than 1000 tokens"):
        TokenFile(written(many))
    with pytest.raises(FileRefusedError, match="more than 1048576 bytes"):
        TokenFile(written("#" * (1024 * 1024 + 1)))
    # Nor is more of it read than that: this one is larger than any memory.
    path = written("")
    os.truncate(path, 2**42)
    with pytest.raises(FileRefusedError, match="more than 1048576 bytes"):
        TokenFile(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(FileRefusedError, match=r"no file|cannot be read"):
            TokenFile(path)
    # Neither what waits for a writer nor what never ends.
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(FileRefusedError, match="is no file"):
            TokenFile(path)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [""],
        ["Bearer"],
        ["Bearer "],
        [f"Basic {READER}"],
        [READER],
        [f"Bearer {READER} {READER}"],
        [f"Bearer {READER}\n"],
        [f"Bearer {READER}", f"Bearer {READER}"],
        [f"Bearer {'x' * 20_000}"],
        ["Bearer é" + READER],
    ],
)
def test_what_is_no_single_bearer_token_is_refused(written: Writer, headers: list[str]) -> None:
    gate = Gate(TokenFile(written(LINES)))
    if headers == [f"Bearer {READER}\n"]:
        # What is around it is the header's, not the token's.
        assert gate.identify(headers).name == "board"
        return
    with pytest.raises(UnauthenticatedError, match=r"no bearer|no token|more than one") as refused:
        gate.identify(headers)
    assert READER not in str(refused.value)


def test_the_word_bearer_is_written_in_any_case(written: Writer) -> None:
    gate = Gate(TokenFile(written(LINES)))
    for word in ("Bearer", "bearer", "BEARER"):
        assert gate.identify([f"{word} {READER}"]).name == "board"


def test_a_reader_changes_nothing_and_nobody_sees_another_hub(written: Writer) -> None:
    board = TokenFile(written(LINES)).verify(READER)
    board.check("orders", Access.READ)
    with pytest.raises(ForbiddenError, match="may not change"):
        board.check("orders", Access.CHANGE)
    for access in Access:
        with pytest.raises(ForbiddenError, match="no access to task hub 'other'"):
            board.check("other", access)
    with pytest.raises(ForbiddenError):
        board.check_every_hub()
    assert not board.may_change


def test_the_example_in_the_documentation_is_good_once_it_has_tokens(written: Writer) -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    [example] = [block for block in page.split("```\n") if block.startswith("# NAME")]
    with pytest.raises(FileRefusedError):
        TokenFile(written(example))
    digest = hashlib.sha256(b"b" * 43).hexdigest()
    filled = example.replace("PUT-A-TOKEN-HERE", "a" * 43)
    file = TokenFile(written(filled.replace("PUT-THE-SHA-256-OF-ONE-HERE", digest)))
    assert file.verify("a" * 43).name == "workers"
    assert file.verify("b" * 43).name == "board"
