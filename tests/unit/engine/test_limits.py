import pytest

from services.scheduler.engine import limits
from services.scheduler.engine.protos import pb
from services.scheduler.errors import BadRequestError, PayloadTooLargeError

EVERY_PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))
MEBIBYTE = 1_048_576


@pytest.mark.parametrize(
    "instance_id", ["a", " ", "~", "a@b", "x" * 100, EVERY_PRINTABLE.replace("@", ""), "order:0001"]
)
def test_an_instance_id_is_1_to_100_printable_characters(instance_id: str) -> None:
    limits.check_instance_id(instance_id)


@pytest.mark.parametrize(
    ("instance_id", "why"),
    [
        ("", r"must have 1 to 100 characters \(got 0\)"),
        ("x" * 101, r"must have 1 to 100 characters \(got 101\)"),
        ("a\n", "printable ASCII"),
        ("a\tb", "printable ASCII"),
        ("\x7f", "printable ASCII"),
        ("\x1f", "printable ASCII"),
        ("é", "printable ASCII"),
        ("@", "must not start with '@'"),
        ("@counter@a", "must not start with '@'"),
    ],
)
def test_what_is_no_instance_id_is_refused_with_the_rule(instance_id: str, why: str) -> None:
    with pytest.raises(BadRequestError, match=why):
        limits.check_instance_id(instance_id)


@pytest.mark.parametrize("entity_id", ["@a@b", "@counter@a@b", "@a@ ", "@a@" + "k" * 97])
def test_an_entity_id_is_a_name_and_a_key(entity_id: str) -> None:
    limits.check_entity_id(entity_id)


@pytest.mark.parametrize(
    "entity_id", ["", "a@b", "@", "@a", "@a@", "@@b", "@a@" + "k" * 98, "@a@é", "@a@\n"]
)
def test_what_is_no_entity_id_is_refused(entity_id: str) -> None:
    with pytest.raises(BadRequestError, match="Entity id must"):
        limits.check_entity_id(entity_id)


def test_a_batch_has_500_ids_at_most() -> None:
    ids = [str(number) for number in range(500)]
    assert limits.checked_batch(ids) == ids
    with pytest.raises(BadRequestError, match=r"at most 500 instance ids \(got 501\)"):
        limits.checked_batch([*ids, "500"])


def test_a_name_has_1_to_1024_characters() -> None:
    limits.check_name("Activity", "x" * 1024)
    for name in ("", "x" * 1025):
        with pytest.raises(BadRequestError, match=rf"^Activity name must .* \(got {len(name)}\)$"):
            limits.check_name("Activity", name)


@pytest.mark.parametrize("character", ["x", "é", "€", "😀"])
def test_a_payload_has_a_mebibyte_at_most_counted_in_bytes(character: str) -> None:
    width = len(character.encode())
    most = character * (MEBIBYTE // width) + "x" * (MEBIBYTE % width)
    limits.check_payload("it", most)
    expected = f"^PayloadTooLarge: it has {MEBIBYTE + 1} bytes, the limit is {MEBIBYTE} bytes"
    with pytest.raises(PayloadTooLargeError, match=expected):
        limits.check_payload("it", most + "x")


def test_a_version_is_a_label_and_no_payload() -> None:
    limits.check_labels("v" * 1_024, {})
    with pytest.raises(BadRequestError, match="at most 1024 characters"):
        limits.check_labels("v" * 1_025, {})


def test_tags_are_counted_together_in_bytes() -> None:
    limits.check_labels("", {})
    limits.check_labels("", {"a": "x" * 16_383, "é": "x" * 16_382})
    with pytest.raises(BadRequestError, match=r"at most 32768 bytes \(got 32769\)"):
        limits.check_labels("", {"a": "x" * 16_383, "é": "x" * 16_383})


def test_a_failure_counts_with_all_that_is_in_it() -> None:
    inner = pb.TaskFailureDetails(errorMessage="x" * (MEBIBYTE // 2))
    limits.check_failure("it", inner)
    with pytest.raises(PayloadTooLargeError, match="it has"):
        limits.check_failure(
            "it", pb.TaskFailureDetails(errorMessage="x" * (MEBIBYTE // 2), innerFailure=inner)
        )


@pytest.mark.parametrize(("levels", "fits"), [(1, True), (40, True), (95, False)])
def test_a_failure_is_no_deeper_than_can_be_stored(levels: int, *, fits: bool) -> None:
    failure = pb.TaskFailureDetails(errorType="deep")
    for _ in range(levels):
        failure = pb.TaskFailureDetails(innerFailure=failure)
    if fits:
        limits.check_failure("it", failure)
    else:
        with pytest.raises(BadRequestError, match="it is nested too deeply"):
            limits.check_failure("it", failure)
