"""How a place finds out how many calls at a time are taken, against a function that counts."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from offload.domain import typed
from offload.domain.errors import Unanswered
from offload.domain.timing import Durations
from offload.domain.vision import Box, Detection, Detections, Image, Selection
from offload.drivers.aws.function.calling import FunctionConfig, Throttled
from offload.places.function import FunctionPlace, FunctionSession
from offload.providers.config import PlaceConfig
from offload.service import wire
from offload.service.client.greeting import Address
from offload.service.function.call import Reply
from offload.service.function.caller import Gate
from offload.version import __version__
from tests.fakes import IDENTITY

DOG = Detection("dog", 18, 0.9, Box(0.1, 0.2, 0.3, 0.4))
INFO = wire.Info(
    "offload", __version__, IDENTITY, {18: "dog"}, 0.25, 1, 1, 0, 6_000_000, 10**6, {},
    wire.Startup(0, 0, 0),
)  # fmt: skip


@dataclass
class Counting:
    """A function that runs `most` calls at a time, and none before it refused `closed` of them."""

    most: int
    closed: int = 0
    silent: int = 0
    name: str = "counting"
    running: int = 0
    refused: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def config(self) -> FunctionConfig:
        """As AWS has it."""
        return FunctionConfig("counting", "us-east-1", 1769, "x86_64", 60)

    def renew(self) -> None:
        """It has nothing to start."""

    def call(self, payload: bytes) -> bytes:
        """A dog for every picture."""
        if payload == b"{}":
            return typed.encoded(Reply("0", info=INFO))
        with self.lock:
            if self.silent:
                self.silent -= 1
                raise Unanswered("AWS does not answer")
            if self.running >= self.most or self.refused < self.closed:
                self.refused += 1
                raise Throttled("AWS takes no more calls now")
            self.running += 1
        time.sleep(0.002)
        with self.lock:
            self.running -= 1
        found = Detections((DOG,), 640, 480, Durations(infer_s=0.001))
        return typed.encoded(Reply("1", answer=wire.Answer.of(found, 0.0, IDENTITY.sha256)))

    @contextmanager
    def staged(self, bucket: str, data: bytes) -> Iterator[str]:
        """Nobody stages here."""
        raise AssertionError((bucket, data))
        yield ""


@dataclass
class Clock:
    """Goes on by what is waited."""

    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s

    def pause(self, seconds: float) -> None:
        """Let others go on, and so much time pass."""
        self.now_s += seconds
        time.sleep(0.001)


@contextmanager
def session(function: Counting, concurrency: int = 8) -> Iterator[FunctionSession]:
    """A session at it."""
    clock = Clock()

    def nothing(*_asked: object) -> None:
        raise AssertionError

    config = PlaceConfig(
        asked=None, labels=None, resolve=nothing, here=nothing, cache="", load=nothing,  # type: ignore[arg-type]
        max_pixels=10**6, clock=clock, cores=2, link=Address(concurrency=concurrency, timeout_s=60),
    )  # fmt: skip
    place = FunctionPlace(config, lambda: function, clock.pause)
    with place.open(Selection(), 1) as opened:
        yield opened


def test_throttling_holds_calls_back_and_fails_none() -> None:
    function = Counting(most=3)
    with session(function) as at:
        threads = [
            threading.Thread(target=lambda: [at.detect(Image("x", b"x")) for _ in range(20)])
            for _ in range(8)
        ]
        answered: list[bool] = []
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
            answered.append(True)
        assert len(answered) == 8
        # Were all eight let through all the time, most calls would be refused again and again.
        assert function.refused < 160


def test_a_function_that_takes_nothing_for_a_while_is_asked_until_it_does() -> None:
    function = Counting(most=3, closed=7)
    with session(function) as at:
        assert at.detect(Image("x", b"x")).found == (DOG,)


def test_a_function_that_takes_nothing_any_more_is_given_up() -> None:
    function = Counting(most=0)
    with session(function) as at, pytest.raises(Unanswered, match=r"takes no more calls now, for"):
        at.detect(Image("x", b"x"))
    assert function.refused < 100


def test_a_call_that_gets_no_answer_is_made_again_a_few_times() -> None:
    with session(Counting(most=1, silent=5)) as at:
        assert at.detect(Image("x", b"x")).found == (DOG,)
    with session(Counting(most=1, silent=6)) as at, pytest.raises(Unanswered, match="not answer"):
        at.detect(Image("x", b"x"))


def test_a_gate_narrows_to_what_is_taken_and_widens_again() -> None:
    gate = Gate(8)
    with gate.turn(), gate.turn(), gate.turn():
        gate.refused()
    assert gate.width == 2
    for _ in range(2 + 3):
        gate.taken()
    assert gate.width in {3, 4}
    for _ in range(100):
        gate.taken()
    assert gate.width == 8
    gate.refused()
    assert gate.width == 1
