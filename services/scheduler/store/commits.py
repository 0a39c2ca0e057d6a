"""Groups of commits: one fsync for every use case that ran while the last one was written.

A use case runs in a savepoint of the open transaction, so that a bad one takes no other with it.
The commit is a callback behind what is ready on the loop; what waits for the disk (replies, work
items) is released after it. Where only workers wait that have just answered, and few of them, the
group rests for a moment: what their answers lead to is written with them. A commit that fails stops
everything: `on_failure` is told, and no reply of the group ever leaves.
"""

import asyncio
import sqlite3
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from services.scheduler.errors import StoppingError

# While much is in the air, commits are so far apart: each wakes everybody, and costs as much as a
# dozen results.
_PAUSE_SECONDS: Final = 0.002
# A group of results of activities alone waits for more, as long as they come within this time,
_QUIET_SECONDS: Final = 0.005
# but not longer than this, nor where `hurry` says that nothing will come.
_PATIENCE_SECONDS: Final = 0.012
# The loop's timers count whole milliseconds; a shorter one would only spin.
_TIMER_SECONDS_MIN: Final = 0.001
# Work items in the air that make it worth while to wait for others: a lone order never waits.
_MANY: Final = 4
# What few workers have answered rests for so long where nobody waits for it: the turn that it leads
# to goes out meanwhile, and its answer is written with it.
_REST_SECONDS: Final = 0.002
# All that has joined rests no longer than this.
_RESTS_SECONDS_MAX: Final = 0.008
# After so many rests running that brought nothing, one is tried in so many commits.
_VAIN_RESTS_MAX: Final = 8
_PROBE_COMMITS: Final = 64
# The bounds of a histogram, in seconds: an fsync takes from 0.1 ms on a fast disk to seconds.
COMMIT_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


@dataclass(slots=True)
class CommitCounts:
    """What the commits of one hub came to."""

    use_cases: int = 0
    commits: int = 0
    seconds: float = 0.0
    # How many took at most as long as each bound, and longer than the one before.
    durations: list[int] = field(default_factory=lambda: [0] * (len(COMMIT_SECONDS) + 1))

    def add(self, seconds: float) -> None:
        """One more commit, and how long it took."""
        self.commits += 1
        self.seconds += seconds
        self.durations[bisect_left(COMMIT_SECONDS, seconds)] += 1


class Commits:
    """The transactions of one hub's writer. Everything here runs on the loop's thread."""

    def __init__(  # noqa: PLR0913 - all that a commit concerns, each named
        self,
        connection: sqlite3.Connection,
        *,
        in_air: Callable[[], int],
        as_written: Callable[[], None],
        after_commit: Callable[[], None],
        on_rollback: Callable[[], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._in_air = in_air
        self._as_written = as_written
        self._after_commit = after_commit
        self._on_rollback = on_rollback
        self._on_failure = on_failure
        self._is_open = False
        self._failed = False
        # The last commit, the beginning of the open group, and what joined it last.
        self._committed_at = self._opened_at = self._joined_at = 0.0
        # Somebody waits for more than the replies to results.
        self._is_urgent = False
        self._hurries = self._was_hurried = False
        # Somebody waits for the disk other than the workers that have answered.
        self._is_wanted = False
        self._rests = False
        self._vain_rests = 0
        self._timer: asyncio.Handle | None = None
        self._waiting: list[Callable[[], None]] = []
        self._before: list[Callable[[], None]] = []
        self._last: list[Callable[[], None]] = []
        self._then: list[Callable[[], None]] = []
        self.counts = CommitCounts()

    @property
    def is_open(self) -> bool:
        """Whether something has been done that is not on the disk yet."""
        return self._is_open

    @contextmanager
    def use_case(self) -> Iterator[None]:
        """What is written inside is part of the next commit, or, after an exception, of none."""
        if self._failed:
            # The transaction may be gone: a savepoint would then commit by itself.
            raise StoppingError
        self._begin()
        if not self._is_urgent or self._rests:
            self._is_urgent = True
            self._join()
        execute = self._connection.execute
        last, then = len(self._last), len(self._then)
        execute("SAVEPOINT use_case")
        try:
            yield
        except BaseException as error:
            del self._last[last:], self._then[then:]
            self._on_rollback()
            try:
                execute("ROLLBACK TO use_case")
                execute("RELEASE use_case")
            except sqlite3.Error as lost:
                # The disk has taken the whole transaction with it.
                self._fail(error if isinstance(error, sqlite3.Error) else lost)
            if isinstance(error, sqlite3.Error):
                self._fail(error)
            raise
        execute("RELEASE use_case")
        self.counts.use_cases += 1

    def at_last(self, act: Callable[[], None]) -> None:
        """Does something in memory once what is done here cannot be taken back on its own."""
        self._last.append(act)

    def then(self, act: Callable[[], None]) -> None:
        """Does something in memory once the present group is on the disk."""
        self._then.append(act)

    def before_commit(self, act: Callable[[], None]) -> None:
        """Does something as late as possible in the present group, with others of its kind."""
        if self._begin() or self._rests:
            self._join()
        self._before.append(act)

    def hurry(self) -> None:
        """Commits once what is ready now has joined the group: nothing else is on its way."""
        if not self._hurries:
            self._hurries = True
            self._look(0.0)

    @property
    def was_hurried(self) -> bool:
        """Whether the last commit was one that `hurry` asked for."""
        return self._was_hurried

    def want(self) -> None:
        """Somebody waits for the open group, or what acts on the world does."""
        if not self._is_wanted:
            self._is_wanted = True
            if self._rests:
                self._look(0.0)

    def when_durable(self, act: Callable[[], None], *, patiently: bool = False) -> None:
        """Does something once all that has been done and read so far is on the disk.

        `patiently`: it may rest until what it leads to has joined it.
        """
        if not self._is_open:
            act()
            return
        if not patiently:
            self.want()
        self._joined_at = self._loop.time()
        self._waiting.append(act)

    async def durable(self, *, patiently: bool = False) -> None:
        """Waits until all that has been done and read so far is on the disk."""
        if not self._is_open:
            return
        future = self._loop.create_future()
        self.when_durable(partial(_release, future), patiently=patiently)
        await future

    def commit(self) -> None:
        """Writes the open group to the disk, and releases who waits for it."""
        if not self._is_open or self._failed:
            return
        self._finish_group()
        begun = time.perf_counter()
        try:
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._fail(error)
            return
        self._was_hurried = self._hurries
        self._is_open = self._is_urgent = self._hurries = False
        self._is_wanted = self._rests = False
        if self._timer is not None:
            self._timer.cancel()
        self._committed_at = self._loop.time()
        self.counts.add(time.perf_counter() - begun)
        then, self._then = self._then, []
        _do_all(then)
        waiting, self._waiting = self._waiting, []
        if self._in_air() < _MANY:
            # A lone order's next step does not wait for the replies to its last one.
            self._after_commit()
            _do_all(waiting)
        else:
            # The threads of busy workers wait for the replies, and have work items already.
            _do_all(waiting)
            self._after_commit()

    def close(self) -> None:
        """No more commits, not even one that the loop was asked for."""
        self._failed = True

    def _begin(self) -> bool:
        """Opens a group; False where one is open."""
        if self._failed:
            # The transaction may be gone: a savepoint would then commit by itself.
            raise StoppingError
        if self._is_open:
            return False
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            self._fail(error)
            raise
        self._is_open = True
        self._opened_at = self._joined_at = self._loop.time()
        return True

    def _commit_in_time(self) -> None:
        """Commits now, or, while much is in the air, a little later, so that others may join."""
        if not self._is_open:
            return
        wait = self._due() - self._loop.time()
        if wait > 0 and self._in_air() >= _MANY:
            self._look(max(wait, _TIMER_SECONDS_MIN))
        elif not self._can_rest():
            self.commit()

    def _can_rest(self) -> bool:
        """Whether nobody waits for the group, and turns are out that will bring more of it."""
        if not self._is_patient():
            return False
        if self._vain_rests >= _VAIN_RESTS_MAX and self.counts.commits % _PROBE_COMMITS:
            return False
        # Turns go out only with this, and what it brings may be waited for.
        self._finish_group()
        if not self._is_patient() or not self._in_air():
            return False
        until = min(self._joined_at + _REST_SECONDS, self._opened_at + _RESTS_SECONDS_MAX)
        wait = until - self._loop.time()
        if wait <= 0:
            self._vain_rests += 1
            return False
        self._rests = True
        self._look(max(wait, _TIMER_SECONDS_MIN))
        return True

    def _is_patient(self) -> bool:
        return not self._is_wanted and self._in_air() < _MANY

    def _finish_group(self) -> None:
        """Does what was put off until nothing more was expected."""
        before, self._before = self._before, []
        _do_all(before)
        last, self._last = self._last, []
        _do_all(last)
        self._as_written()

    def _join(self) -> None:
        """Something is added to a group that nobody has looked at, or that rests."""
        if self._rests:
            self._vain_rests = 0
        self._look(0.0)

    def _look(self, seconds: float) -> None:
        """Sets the one timer there is: when to see whether the group is to be committed."""
        if self._timer is not None:
            self._timer.cancel()
        if seconds:
            self._timer = self._loop.call_later(seconds, self._commit_in_time)
        else:
            self._timer = self._loop.call_soon(self._commit_in_time)

    def _due(self) -> float:
        if self._hurries:
            return self._joined_at
        if self._is_urgent:
            return self._committed_at + _PAUSE_SECONDS
        return min(self._opened_at + _PATIENCE_SECONDS, self._joined_at + _QUIET_SECONDS)

    def _fail(self, error: BaseException) -> None:
        if not self._failed:
            self._failed = True
            self._on_failure(error)


def _do_all(acts: Iterable[Callable[[], None]]) -> None:
    for act in acts:
        act()


def _release(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
