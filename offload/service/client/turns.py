"""Uploads in turn: shared fairly, they would all arrive late and together."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_PIECE_BYTES = 64 * 2**10


class Turns:
    """Turns in the order of asking, `width` at a time."""

    def __init__(self, width: int = 1) -> None:
        self._free = width
        self._lock = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()

    @contextmanager
    def turn(self) -> Iterator[Callable[[], None]]:
        """A turn; call what is given to end it before the context does."""
        gate = threading.Lock()
        with self._lock:
            if self._free:
                self._free -= 1
            else:
                gate.acquire()
                self._waiting.append(gate)
        gate.acquire()
        ended: list[bool] = []

        def end() -> None:
            if not ended:
                ended.append(True)
                self._next()

        try:
            yield end
        finally:
            end()

    def _next(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1


def pieces(data: bytes, done: Callable[[], None]) -> Iterator[bytes]:
    """The bytes to be written; `done` is called when the last of them has left."""
    for start in range(0, len(data), _PIECE_BYTES):
        yield data[start : start + _PIECE_BYTES]
    done()
