"""The tunnel's patience, with a connection and a clock that do as they are told."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from offload.domain.errors import PlaceUnavailable
from offload.drivers.ssh.tunnel import Tunnel


@dataclass
class FakeShell:
    """A connection that stands until told otherwise."""

    is_alive: bool = True
    closed: bool = False
    asked: list[tuple[str, int]] = field(default_factory=list)

    def channel(self, host: str, port: int, timeout_s: float) -> Any:
        del timeout_s
        self.asked.append((host, port))
        if not self.is_alive:
            raise ConnectionResetError("broke off")
        return object()

    def close(self) -> None:
        self.is_alive, self.closed = False, True


@dataclass
class World:
    """Attempts to connect take `attempt_s` and end as `answers` say, the last for ever."""

    answers: list[FakeShell | Exception]
    verdict: str | None = None
    attempt_s: float = 1.0
    now_s: float = 0.0
    attempts: int = 0
    given_s: list[float] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None

    def connect(self, timeout_s: float) -> Any:
        self.meanwhile()
        self.attempts += 1
        self.given_s.append(timeout_s)
        self.now_s += min(self.attempt_s, timeout_s)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def pause(self, seconds: float) -> None:
        self.now_s += seconds

    def tunnel(self) -> Tunnel:
        return Tunnel(
            self.connect,
            8080,
            lambda: self.verdict,
            patience_s=30,
            clock=lambda: self.now_s,
            pause=self.pause,
        )


REFUSED = ConnectionRefusedError("refused.")


def test_one_connection_is_made_when_the_first_is_wanted_and_serves_all() -> None:
    shell = FakeShell()
    world = World([shell])
    tunnel = world.tunnel()
    assert world.attempts == 0
    for _ in range(3):
        tunnel.dial(10)
    assert world.attempts == 1
    assert shell.asked == [("127.0.0.1", 8080)] * 3


def test_a_connection_that_broke_is_closed_and_made_again() -> None:
    first, second = FakeShell(), FakeShell()
    world = World([first, second])
    tunnel = world.tunnel()
    tunnel.dial(10)
    first.is_alive = False
    tunnel.dial(10)
    assert first.closed
    assert len(second.asked) == 1


def test_attempts_go_on_until_one_succeeds() -> None:
    world = World([REFUSED, REFUSED, REFUSED, FakeShell()])
    world.tunnel().dial(30)
    assert world.attempts == 4


def test_a_call_waits_no_longer_than_it_may() -> None:
    world = World([REFUSED])
    with pytest.raises(OSError, match=r"^refused$"):
        world.tunnel().dial(2.5)
    assert world.now_s == 2.5


def test_when_patience_is_over_calls_fail_at_once_but_for_one_attempt_in_a_while() -> None:
    world = World([REFUSED])
    tunnel = world.tunnel()
    while world.now_s < 30:
        with pytest.raises(OSError, match="refused"):
            tunnel.dial(10)
    over_s, attempts = world.now_s, world.attempts
    for _ in range(100):
        with pytest.raises(OSError, match="refused"):
            tunnel.dial(10)
    assert (world.now_s, world.attempts) == (over_s, attempts)
    world.now_s += 31
    with pytest.raises(OSError, match="refused"):
        tunnel.dial(10)
    assert world.attempts == attempts + 1
    world.now_s, world.answers = world.now_s + 31, [FakeShell()]
    tunnel.dial(10)
    tunnel.dial(10)


def test_nobody_waits_for_the_one_attempt_that_is_made_after_patience_is_over() -> None:
    world = World([REFUSED])
    tunnel = world.tunnel()
    while world.now_s < 100:  # patience is over, and it is time for one more attempt
        with pytest.raises(OSError, match="refused"):
            tunnel.dial(10)
        world.now_s += 10
    world.now_s += 31
    others: list[float] = []

    def meanwhile() -> None:
        before_s = world.now_s
        with pytest.raises(OSError, match="refused"):
            tunnel.dial(10)
        others.append(world.now_s - before_s)

    world.meanwhile = meanwhile
    with pytest.raises(OSError, match="refused"):
        tunnel.dial(10)
    assert others == [0]


def test_patience_is_new_after_a_success() -> None:
    shell = FakeShell()
    world = World([REFUSED, shell, REFUSED, FakeShell()])
    tunnel = world.tunnel()
    tunnel.dial(10)
    world.now_s += 1000
    shell.is_alive = False
    tunnel.dial(10)
    assert world.attempts == 4


def test_a_machine_that_is_gone_is_asked_for_once() -> None:
    world = World([REFUSED], verdict="The machine mine was terminated.")
    tunnel = world.tunnel()
    for _ in range(100):
        with pytest.raises(OSError, match=r"^The machine mine was terminated$"):
            tunnel.dial(10)
        world.now_s += 1000
    assert world.attempts == 1


def test_a_failure_that_is_explained_ends_the_job() -> None:
    world = World([PlaceUnavailable("no machine")])
    with pytest.raises(PlaceUnavailable):
        world.tunnel().dial(10)


def test_no_attempt_is_longer_than_five_seconds() -> None:
    world = World([REFUSED], attempt_s=60)
    with pytest.raises(OSError, match="refused"):
        world.tunnel().dial(8)
    assert world.given_s == [5, 2]


def test_what_is_refused_at_the_other_end_is_no_reason_to_connect_again() -> None:
    class Refusing(FakeShell):
        def channel(self, host: str, port: int, timeout_s: float) -> Any:
            raise ConnectionRefusedError("port 8080 of the machine: nothing answers there")

    world = World([Refusing()])
    with pytest.raises(OSError, match="nothing answers"):
        world.tunnel().dial(10)
    assert world.attempts == 1


def test_a_closed_tunnel_connects_no_more() -> None:
    shell = FakeShell()
    world = World([shell])
    tunnel = world.tunnel()
    tunnel.dial(10)
    tunnel.close()
    assert shell.closed
    with pytest.raises(OSError, match="closed"):
        tunnel.dial(10)
