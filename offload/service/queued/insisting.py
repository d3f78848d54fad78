"""Asking a queue or a store as often as it takes."""

import itertools
import math
import random
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
    """Asks again, with pauses: what gives no answer until `stop` is asked, `most_retries` times at
    most; what is refused for `patience_s`. Each problem is told once.
    """

    stop: Stop
    patience_s: float
    reporter: Reporter
    clock: Clock
    pause: Callable[[float], None] = time.sleep
    most_retries: float = math.inf

    def __call__(self, act: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
        """What `act` gives.

        Raises:
            EndedError: it gave none before the stop.
            Unanswered: it gave none as often as it was asked, ImageError: an image cannot be used,
                or OffloadError: it is refused for too long.
        """
        began_s = self.clock()
        for tried in itertools.count():
            try:
                return act(*given, **named)
            except OffloadError as error:
                if self._is_final(error, tried, self.clock() - began_s):
                    raise
                if self.stop:
                    raise EndedError from error
                self.reporter.warn(str(error))
            # All of it random, so that those who were not answered do not come back together.
            longest_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0**tried)
            self.pause(random.uniform(0, longest_s))  # noqa: S311 - no secret hangs on it
        raise AssertionError

    def _is_final(self, error: OffloadError, tried: int, for_s: float) -> bool:
        if isinstance(error, Unanswered):
            return tried >= self.most_retries
        return isinstance(error, ImageError) or for_s >= self.patience_s
