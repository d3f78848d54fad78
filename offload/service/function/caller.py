"""Calling a function from several threads: as many at a time as it takes, as often as need be."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from offload.domain import typed
from offload.domain.errors import Refused, Unanswered
from offload.domain.timing import Clock
from offload.drivers.aws.function.calling import FunctionConfig, Throttled
from offload.service.function.call import Reply

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0


class Callee(Protocol):
    """A function that can be called; errors are as `AwsFunction` has them."""

    name: str

    def config(self) -> FunctionConfig:
        """How it is, once it can be called."""

    def call(self, payload: bytes) -> bytes:
        """Its answer."""

    def renew(self) -> None:
        """Have the next call be cold."""

    def staged(self, bucket: str, data: bytes) -> AbstractContextManager[str]:
        """An address of `data`, good meanwhile."""


class Gate:
    """Lets as many calls through at a time as are taken, `most` at first.

    Each refusal makes room for one call less than were under way, and as many answers as there is
    room for make room for one more (additive increase, as in TCP: Chiu and Jain 1989).
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._width = float(most)
        self._running = 0
        self._changed = threading.Condition()

    @property
    def width(self) -> int:
        """How many may go at a time now."""
        return int(self._width)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until one more may go; meanwhile it is under way."""
        with self._changed:
            self._changed.wait_for(lambda: self._running < self.width)
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify()

    def taken(self) -> None:
        """A call was taken."""
        with self._changed:
            self._width = min(self._most, self._width + 1 / self._width)
            self._changed.notify()

    def refused(self) -> None:
        """A call that is under way was refused."""
        with self._changed:
            self._width = max(1.0, min(self._width, self._running - 1))


@dataclass(slots=True)
class Caller:
    """Calls a function, `most` times at once at most; a call that is not taken is made again for as
    long as `patience_s` pass without an answer to any, one that gets none so many times.
    """

    callee: Callee
    most: int
    clock: Clock
    max_retries: int
    patience_s: float
    pause: Callable[[float], None] = time.sleep
    gate: Gate = field(init=False)
    answered_s: float = field(init=False)

    def __post_init__(self) -> None:
        self.gate, self.answered_s = Gate(self.most), self.clock()

    def call(self, payload: bytes) -> tuple[Reply, float, float]:
        """The reply, the seconds until the call was let through, and those that it then took.

        Raises:
            Unanswered: none comes, or Refused: none that can be used.
            PlaceUnavailable: the function may not be called.
        """
        asked_s, silences, pause_s = self.clock(), 0, _FIRST_PAUSE_S
        while True:
            try:
                with self.gate.turn():
                    began_s = self.clock()
                    body = self._taken(payload)
                self.answered_s = ended_s = self.clock()
                return typed.parse(Reply, body), began_s - asked_s, ended_s - began_s
            except Throttled as error:
                quiet_s = self.clock() - self.answered_s
                if quiet_s > self.patience_s:
                    raise Unanswered(f"{error}, for {quiet_s:.0f} s") from error
            except Unanswered as error:
                silences += 1
                if isinstance(error, Refused) or silences > self.max_retries:
                    raise
            except ValueError as error:
                raise Refused(f"the function answers what we cannot use: {error}") from error
            # All of it random, so that those who were refused do not come back together.
            self.pause(random.uniform(0, pause_s))  # noqa: S311 - no secret hangs on it
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _taken(self, payload: bytes) -> bytes:
        try:
            body = self.callee.call(payload)
        except Throttled:
            self.gate.refused()
            raise
        self.gate.taken()
        return body
