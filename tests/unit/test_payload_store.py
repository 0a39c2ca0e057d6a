import asyncio
import logging
from pathlib import Path

import durabletask.internal.orchestrator_service_pb2 as pb
import pytest
from durabletask.payload import deexternalize_payloads, externalize_payloads
from google.protobuf.wrappers_pb2 import StringValue

from services.shared.converter import PydanticDataConverter
from services.shared.errors import PayloadStoreError, PayloadTooLargeError
from services.shared.payload_files import PayloadFiles, PayloadMissingError, token_of
from services.shared.payload_store import CachingPayloadStore, DirectoryPlace, PayloadCache
from services.shared.sdk import new_converter
from services.worker.payloads import WorkerPayloadStore, failed

TEXT = '"' + "ü" * 10_000 + '"'
DATA = TEXT.encode()
LIMIT = 1_000_000


@pytest.fixture
def files(tmp_path: Path) -> PayloadFiles:
    return PayloadFiles(tmp_path / "payloads")


@pytest.fixture
def store(files: PayloadFiles) -> CachingPayloadStore:
    return CachingPayloadStore(DirectoryPlace(files), bytes_max=LIMIT, cache_bytes=0)


@pytest.fixture
def full_directory(tmp_path: Path) -> PayloadFiles:
    # A file in the directory's place: nobody can write below it, root neither.
    (tmp_path / "taken").write_text("")
    return PayloadFiles(tmp_path / "taken")


def activity_result(text: str) -> pb.ActivityResponse:
    return pb.ActivityResponse(
        instanceId="i", taskId=7, result=StringValue(value=text), completionToken="t"
    )


def test_a_payload_above_the_threshold_is_sent_as_a_token(store: CachingPayloadStore) -> None:
    message = activity_result(TEXT)
    externalize_payloads(message, store)
    assert message.result.value == token_of(DATA)
    deexternalize_payloads(message, store)
    assert message.result.value == TEXT


def test_a_payload_up_to_the_threshold_is_sent_as_it_is(store: CachingPayloadStore) -> None:
    message = activity_result("x" * 16_384)
    externalize_payloads(message, store)
    assert message.result.value == "x" * 16_384


def test_a_program_without_threads_stores_and_reads_too(store: CachingPayloadStore) -> None:
    token = asyncio.run(store.upload_async(DATA))
    assert asyncio.run(store.download_async(token)) == DATA


def test_a_payload_above_the_limit_is_refused_with_size_limit_and_setting(
    store: CachingPayloadStore,
) -> None:
    expected = "1,000,001 bytes and the limit is 1,000,000 bytes; PAYLOAD_STORE_BYTES_MAX"
    with pytest.raises(PayloadTooLargeError, match=expected):
        store.upload(b"x" * (LIMIT + 1))


def test_a_directory_that_cannot_be_used_is_told_with_its_setting(
    full_directory: PayloadFiles,
) -> None:
    place = DirectoryPlace(full_directory)
    store = CachingPayloadStore(place, bytes_max=LIMIT, cache_bytes=0)
    with pytest.raises(PayloadStoreError, match=r"taken cannot be used: .*; PAYLOAD_STORE says"):
        store.prepare()
    with pytest.raises(PayloadStoreError, match=r"taken cannot be used: .*; PAYLOAD_STORE says"):
        store.upload(DATA)


@pytest.mark.parametrize("damage", [None, b"", b"other", b"\xff" * 20_002])
def test_a_payload_that_cannot_be_read_stays_a_token_until_its_value_is_asked_for(
    store: CachingPayloadStore,
    files: PayloadFiles,
    damage: bytes | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    token = store.upload(DATA)
    if damage is None:
        files.path(token).unlink()
    else:
        files.path(token).write_bytes(damage)
    message = activity_result(token)
    with caplog.at_level(logging.ERROR, logger="services.shared.payload_store"):
        deexternalize_payloads(message, store)
    assert message.result.value == token
    assert token in caplog.text
    reason = "there is no file" if damage is None else "damaged"
    with pytest.raises(PayloadMissingError, match=rf"{token} cannot be read: .*{reason}"):
        new_converter(store).deserialize(message.result.value)
    # An answer that carries it on unread carries the token, which may yet be mended.
    externalize_payloads(message, store)
    assert message.result.value == token


def test_bytes_that_are_no_text_are_a_payload_that_cannot_be_read(
    store: CachingPayloadStore,
) -> None:
    token = store.upload(b"\xff\xfe")
    assert store.download(token) == token.encode()
    assert "no UTF-8 text" in store.reason(token)


def test_a_token_without_a_store_says_which_setting_is_missing() -> None:
    for token in (token_of(DATA), "blob:v1:orders:some/0123"):
        with pytest.raises(PayloadMissingError, match=rf"{token} .* PAYLOAD_STORE says"):
            PydanticDataConverter().deserialize(token)


def test_a_token_of_another_store_says_so(store: CachingPayloadStore) -> None:
    with pytest.raises(PayloadMissingError, match="in another payload store"):
        new_converter(store).deserialize("blob:v1:orders:some/0123")


def test_a_text_of_a_program_that_looks_like_a_token_is_a_text(store: CachingPayloadStore) -> None:
    converter = new_converter(store)
    written = converter.serialize(token_of(DATA))
    message = activity_result(written or "")
    externalize_payloads(message, store)
    deexternalize_payloads(message, store)
    assert converter.deserialize(message.result.value) == token_of(DATA)


@pytest.mark.parametrize(
    "text",
    [
        f"file:v1:{'A' * 64}",
        f"file:v1:{'a' * 63}",
        "file:v1:../../etc/passwd",
        f"file:v1:{'a' * 64}\n",
        "file:v1:" + "../" * 21 + "x",
    ],
)
def test_what_is_no_token_is_not_looked_for(store: CachingPayloadStore, text: str) -> None:
    message = activity_result(text)
    deexternalize_payloads(message, store)
    assert message.result.value == text
    with pytest.raises(ValueError, match="Expecting value"):
        new_converter(store).deserialize(text)


def test_what_was_read_is_remembered(files: PayloadFiles) -> None:
    store = CachingPayloadStore(DirectoryPlace(files), bytes_max=LIMIT, cache_bytes=100_000)
    token = store.upload(DATA)
    assert store.download(token) == DATA
    files.path(token).unlink()
    assert store.download(token) == DATA


def test_the_memory_is_bounded_in_bytes_and_keeps_what_was_asked_for_last() -> None:
    cache = PayloadCache(100)
    cache.put("a", b"x" * 40)
    cache.put("b", b"x" * 40)
    cache.put("b", b"x" * 40)
    assert cache.get("a") == b"x" * 40
    cache.put("c", b"x" * 40)
    assert (cache.get("a"), cache.get("b"), cache.size) == (b"x" * 40, None, 80)
    cache.put("larger than all of it", b"x" * 101)
    assert cache.size == 80
    cache.put("all of it", b"x" * 100)
    assert (cache.get("a"), cache.get("c"), cache.size) == (None, None, 100)


ANSWERS = [
    activity_result(TEXT),
    pb.OrchestratorResponse(
        instanceId="i", customStatus=StringValue(value=TEXT), completionToken="t"
    ),
    pb.EntityBatchResult(entityState=StringValue(value=TEXT), completionToken="t"),
]


@pytest.mark.parametrize("answer", ANSWERS, ids=["activity", "orchestrator", "entity"])
def test_an_answer_that_cannot_be_stored_becomes_a_failure_to_the_same_item(
    full_directory: PayloadFiles, answer: pb.ActivityResponse
) -> None:
    store = WorkerPayloadStore(DirectoryPlace(full_directory), bytes_max=LIMIT)
    sent = type(answer)()
    sent.CopyFrom(answer)
    externalize_payloads(sent, store)
    error = store.take_failure(sent)
    assert isinstance(error, PayloadStoreError)
    told = failed(sent, error)
    assert told.completionToken == "t"
    text = told.SerializeToString()
    assert b"PAYLOAD_STORE says where it is" in text
    assert b"not stored" not in text
    assert b"services.shared.errors.PayloadStoreError" in text


def test_only_a_payload_that_is_too_large_is_not_worth_another_try() -> None:
    retried = failed(activity_result("1"), PayloadStoreError("no room"))
    final = failed(activity_result("1"), PayloadTooLargeError(2, 1))
    assert not retried.failureDetails.isNonRetriable
    assert final.failureDetails.isNonRetriable
    assert (retried.instanceId, retried.taskId) == ("i", 7)


def test_an_error_is_of_one_answer_only(full_directory: PayloadFiles) -> None:
    store = WorkerPayloadStore(DirectoryPlace(full_directory), bytes_max=LIMIT)
    externalize_payloads(activity_result(TEXT), store)
    assert store.take_failure(activity_result("another's")) is None
    assert store.take_failure(activity_result("another's")) is None
