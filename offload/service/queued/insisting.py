"""Asking a queue or a store as often as it takes."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from offload.domain.errors import ImageError, OffloadError, Unanswered
from offload.domain.events import Reporter, Stop
from offload.domain.timing import Clock

P = ParamSpec("P")
T = TypeVar("T")
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 5.0


class EndedError(Exception):
    """There is no answer, and no more time to ask for one."""


@dataclass(slots=True)
class Insisting:
    """Asks again, with pauses: what gives no answer until `stop` is asked, what is refused for
    `patience_s`. Each problem is told once.
    """

    stop: Stop
    patience_s: float
    reporter: Reporter
    clock: Clock
    pause: Callable[[float], None] = time.sleep

    def __call__(self, act: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
        """What `act` gives.

        Raises:
            EndedError: it gave none before the stop.
            ImageError: an image cannot be used, or OffloadError: it is refused for too long.
        """
        began_s, pause_s = self.clock(), _FIRST_PAUSE_S
        while True:
            try:
                return act(*given, **named)
            except OffloadError as error:
                answered = not isinstance(error, Unanswered)
                patient = self.clock() - began_s < self.patience_s
                if answered and (isinstance(error, ImageError) or not patient):
                    raise
                if self.stop:
                    raise EndedError from error
                self.reporter.warn(str(error))
            self.pause(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
