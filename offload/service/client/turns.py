"""Uploads in turn: shared fairly, they would all arrive late and together."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

_PIECE_BYTES = 64 * 2**10

_FEWEST, _FIRST = 2, 4
"""One alone leaves the link idle between two uploads; before anything is known, all may be short.
Measured with `benchmarks/link.py`.
"""


class Turns:
    """Turns in the order of asking, up to `most` at a time, as long as they are short.

    An upload on a new or rested connection is held back by TCP's slow start and leaves most of the
    link to others. So each turn that was over within `short_s` lets one more run beside it, and
    each that took longer one less, down to two: then the link itself is the limit, and to share it
    would only delay the first.
    """

    def __init__(self, most: int = 1, short_s: float = 0.0) -> None:
        self._most = most
        self._short_s = short_s
        self._width = min(_FIRST, most)
        self._running = 0
        self._lock = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()

    @contextmanager
    def turn(self) -> Iterator[Callable[[], None]]:
        """A turn; call what is given to end it before the context does."""
        gate = threading.Lock()
        gate.acquire()
        with self._lock:
            self._waiting.append(gate)
            self._admit()
        gate.acquire()
        with ExitStack() as turn:
            turn.callback(self._end)
            yield turn.close  # which ends it once

    def learn(self, upload_s: float) -> None:
        """An upload took so long, the way back included."""
        with self._lock:
            step = 1 if upload_s < self._short_s else -1
            self._width = min(self._most, max(_FEWEST, self._width + step))
            self._admit()

    def _end(self) -> None:
        with self._lock:
            self._running -= 1
            self._admit()

    def _admit(self) -> None:
        while self._waiting and self._running < self._width:
            self._running += 1
            self._waiting.popleft().release()


class Pieces:
    """Bytes on their way out: `sent_bytes` of them have left; `done` is called after the last."""

    def __init__(self, data: bytes, done: Callable[[], None] = lambda: None) -> None:
        self.sent_bytes = 0
        self._data = data
        self._done = done

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._data), _PIECE_BYTES):
            piece = self._data[start : start + _PIECE_BYTES]
            self.sent_bytes += len(piece)
            yield piece
        self._done()
