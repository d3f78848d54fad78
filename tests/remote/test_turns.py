"""Uploads one after another, and how many requests that takes."""

import threading
import time
from contextlib import ExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offload.service.client.session import in_flight
from offload.service.client.turns import Pieces, Turns
from offload.service.wire import Startup
from tests.remote.flaky import info


class Queue:
    """Threads that ask for a turn one after another and note when they have it."""

    def __init__(self, width: int = 1) -> None:
        self.turns = Turns(width)
        self.had: list[str] = []
        self._threads: list[threading.Thread] = []

    def ask(self, name: str, *, fail: bool = False) -> None:
        """A thread waits for its turn, or has had it, when this returns."""
        waiting = self.waiting
        self._threads.append(threading.Thread(target=self._have, args=(name, fail), daemon=True))
        self._threads[-1].start()
        while self.waiting == waiting and name not in self.had:
            time.sleep(0.001)

    @property
    def waiting(self) -> int:
        return len(self.turns._waiting)

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _have(self, name: str, fail: bool) -> None:
        try:
            with self.turns.turn():
                self.had.append(name)
                if fail:
                    raise OSError
        except OSError:
            assert fail


def test_turns_come_in_the_order_of_asking() -> None:
    queue, names = Queue(), [str(number) for number in range(20)]
    with queue.turns.turn():
        for name in names:
            queue.ask(name)
        assert queue.had == []
    queue.join()
    assert queue.had == names
    with queue.turns.turn():
        queue.ask("one more")
        assert queue.had == names, "still one at a time"
    queue.join()


def test_two_at_a_time_wait_for_neither_in_particular() -> None:
    queue = Queue(2)
    with queue.turns.turn():
        with queue.turns.turn():
            for name in "abc":
                queue.ask(name)
            assert queue.had == []
        queue.join()
        assert queue.had == ["a", "b", "c"]


def at_a_time(turns: Turns) -> int:
    """How many turns there are to be had now."""
    with ExitStack() as stack:
        for number in range(100):
            queue = Queue()
            queue.turns = turns
            queue.ask("x")
            if queue.waiting:
                stack.close()
                queue.join()
                return number
            queue.join()
            stack.enter_context(turns.turn())
    raise AssertionError("they have no end")


def test_short_turns_let_more_run_beside_them_and_long_ones_fewer_but_two() -> None:
    turns = Turns(6, short_s=0.1)
    assert at_a_time(turns) == 4, "before anything is known"
    for upload_s, width in (0.05, 5), (0.05, 6), (0.05, 6), (0.2, 5), (0.2, 4), (0.1, 3), (9, 2):
        turns.learn(upload_s)
        assert at_a_time(turns) == width
    turns.learn(9)
    assert at_a_time(turns) == 2
    turns.learn(0.0)
    assert at_a_time(turns) == 3


def test_who_waits_goes_when_there_is_room_for_more() -> None:
    turns = Turns(3, short_s=1.0)
    turns.learn(2.0)
    queue = Queue()
    queue.turns = turns
    with turns.turn(), turns.turn():
        queue.ask("third")
        assert queue.had == []
        turns.learn(0.5)
        queue.join()
        assert queue.had == ["third"]


def test_a_turn_that_fails_passes_on() -> None:
    queue = Queue()
    with queue.turns.turn():
        for number in range(6):
            queue.ask(str(number), fail=number % 2 == 0)
    queue.join()
    assert queue.had == ["0", "1", "2", "3", "4", "5"]
    with queue.turns.turn():
        pass


def test_a_turn_ended_early_ends_once() -> None:
    turns, inside, leave = Turns(), threading.Event(), threading.Event()
    queue = Queue()
    queue.turns = turns

    def second() -> None:
        with turns.turn():
            inside.set()
            leave.wait()

    thread = threading.Thread(target=second, daemon=True)
    with turns.turn() as done:
        thread.start()
        while not queue.waiting:
            time.sleep(0.001)
        queue.ask("third")
        done()
        inside.wait()
        done()
    assert queue.waiting == 1, "the end of the context took nobody's turn away"
    assert queue.had == []
    leave.set()
    thread.join()
    queue.join()
    assert queue.had == ["third"]


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 200_000])
def test_the_pieces_are_the_whole_and_their_end_is_told_when_the_last_has_gone(size: int) -> None:
    data, told = bytes(range(256)) * (size // 256) + bytes(size % 256), []
    sent = Pieces(data, lambda: told.append(size))
    received = b""
    for piece in sent:
        assert not told
        received += piece
        assert sent.sent_bytes == len(received)
    assert (received, told) == (data, [size])


@pytest.mark.parametrize(
    ("case", "slots", "queue", "service_s", "rtt_s", "requests"),
    [
        ("near: the slots, one on its way each way, one to spare", 2, 64, 0.020, 0.001, 5),
        ("far: as many more as are under way in a round trip", 2, 64, 0.020, 0.200, 24),
        ("a slow model hides any way", 4, 64, 1.000, 0.050, 7),
        ("no more than the server takes", 2, 3, 0.020, 0.200, 5),
        ("a server without a queue", 2, 0, 0.020, 0.200, 2),
        ("nobody gets everything", 16, 1000, 0.005, 2.000, 64),
        ("a model that takes no time at all", 1, 1000, 0.0, 0.001, 13),
    ],
)
def test_as_many_requests_are_in_flight_as_hide_the_latency(
    case: str, slots: int, queue: int, service_s: float, rtt_s: float, requests: int
) -> None:
    facts = info(
        workers=slots,
        queue=queue,
        startup=Startup(0.1, 0.1, service_s),
    )
    assert in_flight(facts, rtt_s) == requests, case


@settings(deadline=None)
@given(
    slots=st.integers(1, 128),
    queue=st.integers(0, 256),
    service_s=st.floats(1e-4, 60),
    rtt_s=st.floats(0, 30),
)
def test_the_rule_of_the_pipeline_holds_within_the_limits(
    slots: int, queue: int, service_s: float, rtt_s: float
) -> None:
    requests = in_flight(
        info(
            workers=slots,
            queue=queue,
            startup=Startup(0.1, 0.1, service_s),
        ),
        rtt_s,
    )
    unhindered_s, slowest_s = service_s + rtt_s, service_s / slots
    needed, most = unhindered_s / slowest_s + 1, min(slots + queue, 64)
    assert 1 <= requests <= most
    assert requests >= min(needed - 1e-6, most)
    assert requests <= needed + 2 + 1e-6, "more would only wait"
