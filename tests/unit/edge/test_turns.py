"""Whose request is read next, and whose is given up for it: the rules, without a server."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from services.scheduler.bounds import Bounds
from services.scheduler.edge import intake, turns
from services.scheduler.edge.intake import Intake, Share
from services.scheduler.edge.turns import READING_BYTES_MAX, places_of
from tests.unit.edge.test_intake import Arriving

MIB = 1024 * 1024
PLACES = 8
Move = Callable[[float], None]


class Sent:
    """A call as the intake sees it: of a connection, and read or not."""

    def __init__(self, made: Intake, connection: str, *, answer: bool = False) -> None:
        self.connection = connection
        self.method = "/test/answer" if answer else "/test/call"
        self.is_read = False
        self._made = made
        self.share: Share = made.admit(self.as_call, connection.encode())
        if self.share.is_reading:
            self.begin()

    @property
    def as_call(self) -> Any:
        """What the intake takes for a call of the server."""
        return self

    def begin(self) -> None:
        """The intake has its request read."""
        self.is_read = True

    def arrives(self, size: int | None = 1) -> bool:
        """Its request is there, and it is answered."""
        is_wanted = self._made.arrived(self.as_call, self.share, size)
        self._made.end(self.as_call, self.share)
        return is_wanted


@pytest.fixture
def made() -> Intake:
    return Intake(Bounds(), {"/test/answer"})


@pytest.fixture
def move(monkeypatch: pytest.MonkeyPatch) -> Move:
    """Sets the clock on by some seconds."""
    now = [0.0]

    class Clock:
        monotonic = staticmethod(lambda: now[0])

    def on(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(intake, "time", Clock)
    return on


def sent(made: Intake, connection: str, count: int) -> list[Sent]:
    return [Sent(made, connection) for _ in range(count)]


def proved(made: Intake, connection: str) -> None:
    assert Sent(made, connection).arrives()


def read(calls: list[Sent]) -> int:
    return sum(call.is_read for call in calls)


def given_up(made: Intake) -> list[Sent]:
    found: list[Any] = [call for call, _ in made.look()]
    # gRPC lets go of each.
    for call in found:
        if call.is_read:
            assert not call.arrives(None)
    return found


def test_places_are_as_many_as_the_largest_requests_have_room() -> None:
    assert places_of(Bounds().message_bytes_max) == PLACES
    assert PLACES * Bounds().message_bytes_max == READING_BYTES_MAX
    assert [places_of(MIB), places_of(4 * MIB), places_of(1024 * MIB)] == [64, 64, 2]


def test_a_connection_has_half_of_the_places_and_its_own_order(made: Intake) -> None:
    proved(made, "a")
    calls = sent(made, "a", 10)
    assert [call.is_read for call in calls] == [True] * 4 + [False] * 6
    assert calls[2].arrives()
    assert [call.is_read for call in calls] == [True] * 5 + [False] * 5
    assert made.reading == 4


def test_all_connections_together_have_no_more_places_than_there_are(made: Intake) -> None:
    for name in "abc":
        proved(made, name)
    calls = [call for name in "abc" for call in sent(made, name, 5)]
    assert read(calls) == PLACES == made.reading
    for call in calls:
        assert call.is_read
        assert call.arrives()
        assert made.reading <= PLACES
    assert made.reading == 0


def test_connections_that_wait_take_turns(made: Intake) -> None:
    for name in "abcd":
        proved(made, name)
    first = sent(made, "a", 4) + sent(made, "b", 4)
    waiting = [Sent(made, name) for name in "ccccdd"]
    order = []
    for call in first:
        call.arrives()
        order += [other.connection for other in waiting if other.is_read]
        waiting = [other for other in waiting if not other.is_read]
    assert "".join(order) == "cdcdcc"


def test_who_has_sent_nothing_whole_yet_has_one_place_and_all_such_have_half_of_them(
    made: Intake,
) -> None:
    strangers = [sent(made, f"new {n}", 3) for n in range(100)]
    assert [read(calls) for calls in strangers] == [1] * 4 + [0] * 96
    assert strangers[0][0].arrives()
    # It has proved itself now; and another one has its place.
    assert [read(calls) for calls in strangers] == [3] + [1] * 4 + [0] * 95
    assert made.reading == 6


def test_who_takes_a_request_back_has_proved_nothing(made: Intake) -> None:
    assert Sent(made, "new").arrives(None)
    assert read(sent(made, "new", 3)) == 1


def test_who_is_new_is_not_kept_out_by_those_who_are_known(made: Intake) -> None:
    for name in "ab":
        proved(made, name)
    known = sent(made, "a", 20) + sent(made, "b", 20)
    assert made.reading == PLACES
    new = sent(made, "new", 2)
    assert read(new) == 0
    assert known[0].arrives()
    assert read(new) == 1
    # The next place is for those again that it was taken from.
    assert known[1].arrives()
    assert read(new) == 1


def test_a_slow_sender_has_time_while_nobody_else_wants_its_place(made: Intake, move: Move) -> None:
    proved(made, "slow")
    calls = sent(made, "slow", 10)
    move(intake.GRACE_SECONDS + 1)
    # The others are its own.
    assert given_up(made) == []
    proved(made, "prompt")
    assert given_up(made) == []
    move(intake.REQUEST_SECONDS)
    assert given_up(made) == calls


def test_of_slow_senders_as_many_are_given_up_as_connections_wait(made: Intake, move: Move) -> None:
    slow = [Sent(made, f"slow {n}") for n in range(4)]
    new = [Sent(made, "new"), Sent(made, "other")]
    move(intake.GRACE_SECONDS - 1)
    assert given_up(made) == []
    move(1)
    assert given_up(made) == slow[:2]
    assert read(new) == 2
    assert new[0].arrives()
    assert slow[2].arrives()


def test_who_waits_for_places_of_the_new_has_none_of_those_who_are_known(
    made: Intake, move: Move
) -> None:
    proved(made, "known")
    known = sent(made, "known", 4)
    move(1)
    slow = [Sent(made, f"slow {n}") for n in range(4)]
    new = Sent(made, "new")
    move(intake.GRACE_SECONDS)
    assert given_up(made) == slow[:1]
    assert new.is_read
    assert all(call.arrives() for call in known)


def test_places_of_the_known_are_not_taken_for_the_new_who_have_theirs(
    made: Intake, move: Move
) -> None:
    proved(made, "known")
    slow = sent(made, "known", 4)
    move(intake.GRACE_SECONDS)
    recent = [Sent(made, f"recent {n}") for n in range(4)]
    new = Sent(made, "new")
    assert given_up(made) == []
    assert recent[0].arrives()
    assert new.is_read
    assert all(call.arrives() for call in slow)


def test_a_connection_is_not_given_up_for_itself(made: Intake, move: Move) -> None:
    for name in "abc":
        proved(made, name)
    slow = sent(made, "a", 3)
    move(intake.GRACE_SECONDS)
    recent = [*sent(made, "b", 4), Sent(made, "c")]
    waiting = [Sent(made, "a")]
    assert read(waiting) == 0
    assert given_up(made) == []
    assert recent[0].arrives()
    assert read(waiting) == 1
    assert all(call.arrives() for call in slow)


def test_the_text_says_why_a_request_was_given_up(made: Intake, move: Move) -> None:
    slow = [Sent(made, f"slow {n}") for n in range(4)]
    new = Sent(made, "new")
    move(intake.GRACE_SECONDS)
    [(_, error)] = made.look()
    assert str(error) == "The request was not there after 5 s, and others wait to send theirs"
    move(intake.REQUEST_SECONDS)
    texts = {call: str(error) for call, error in made.look()}
    assert texts.pop(new.as_call) == (
        "The request had not had its turn after 30 s: others are read before it"
    )
    assert set(texts) == {call.as_call for call in slow[1:]}
    assert set(texts.values()) == {"The request was not there after 30 s"}


def doubted(made: Intake, move: Move) -> None:
    """Four connections, `slow 0` to `slow 3`, have been too slow; all places are free."""
    for n in range(4):
        Sent(made, f"slow {n}")
    others = [Sent(made, f"other {n}") for n in range(4)]
    move(intake.GRACE_SECONDS)
    assert len(given_up(made)) == 4
    assert all(other.arrives() for other in others)
    assert made.reading == 0


def test_who_was_too_slow_stands_back_and_cannot_prove_itself_soon(
    made: Intake, move: Move
) -> None:
    doubted(made, move)
    slow = [sent(made, f"slow {n}", 3) for n in range(4)]
    assert [read(calls) for calls in slow] == [1, 1, 0, 0]
    assert slow[0][0].arrives()
    assert [read(calls) for calls in slow] == [1, 1, 1, 0]
    # So whoever is new finds a place.
    assert [Sent(made, f"new {n}").is_read for n in range(3)] == [True, True, False]


def test_what_was_too_slow_is_forgiven(made: Intake, move: Move) -> None:
    doubted(made, move)
    # It is known meanwhile: one of its calls is still to be answered.
    call = Sent(made, "slow 0")
    assert made.arrived(call.as_call, call.share, 1)
    for _ in range(turns._LOOKS_DOUBTED):  # noqa: SLF001 - its time, in looks
        made.look()
    proved(made, "slow 0")
    assert read(sent(made, "slow 0", 4)) == 4


def test_who_is_doubted_takes_no_place_from_anybody_else(made: Intake, move: Move) -> None:
    doubted(made, move)
    new = [Sent(made, f"new {n}") for n in range(4)]
    waiting = Sent(made, "slow 0")
    move(intake.GRACE_SECONDS)
    assert given_up(made) == []
    assert not waiting.is_read
    assert new[0].arrives()
    assert waiting.is_read


def test_answers_of_workers_are_given_up_last(made: Intake, move: Move) -> None:
    proved(made, "worker")
    proved(made, "client")
    answers = [Sent(made, "worker", answer=True) for _ in range(4)]
    move(1)
    others = sent(made, "client", 4)
    new = Sent(made, "new")
    move(intake.GRACE_SECONDS)
    assert given_up(made) == others[:1]
    assert new.is_read
    assert all(answer.arrives() for answer in answers)


def test_what_is_given_up_while_it_waits_is_never_read(made: Intake, move: Move) -> None:
    first = [Sent(made, f"a {n}") for n in range(4)]
    waiting = sent(made, "b", 2)
    move(intake.REQUEST_SECONDS)
    assert given_up(made) == [*first, *waiting]
    assert read(waiting) == 0
    assert made.reading == 0
    assert Sent(made, "c").is_read


def test_what_was_given_up_holds_nothing_though_it_comes_all_the_same(
    made: Intake, move: Move
) -> None:
    call = Sent(made, "a")
    move(intake.REQUEST_SECONDS)
    assert [late for late, _ in made.look()] == [call.as_call]
    made.end(call.as_call, call.share)
    assert not made.arrived(call.as_call, call.share, MIB)
    assert (made.calls, made.held, made.reading) == (0, 0, 0)


def test_a_connection_is_known_while_it_calls_and_some_time_longer(made: Intake) -> None:
    call = Sent(made, "a")
    made.end(call.as_call, call.share)
    # Its request is still on its way.
    for _ in range(100):
        made.look()
    assert made.connections == 1
    made.arrived(call.as_call, call.share, None)
    for _ in range(turns._LOOKS_REMEMBERED):  # noqa: SLF001 - its time, in looks
        made.look()
    assert made.connections == 1
    made.look()
    assert made.connections == 0


class Interrupting:
    """A lock that lets another thread in as soon as it is free."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.meanwhile: Callable[[], object] | None = None

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            thread = threading.Thread(target=meanwhile)
            thread.start()
            thread.join()


def test_a_request_is_read_once_though_its_turn_comes_while_it_is_asked_for() -> None:
    lock: Any = Interrupting()
    # Two places, one of them for whoever is new.
    made = Intake(Bounds(message_bytes_max=READING_BYTES_MAX), _lock=lock)
    first, began = Sent(made, "first"), list[int]()
    call: Any = Arriving(1, began)
    share = made.admit(call, b"second", asks=False)
    lock.meanwhile = first.arrives
    if made.ask(call, share):
        call.begin()
    assert began == [1]
