"""Memory that threads share: each says what it needs, and waits until that is there."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class MemoryBudget:
    """So many bytes; whoever needs more has them alone."""

    def __init__(self, total_bytes: int) -> None:
        self._total_bytes = self._left_bytes = total_bytes
        self._changed = threading.Condition()

    @contextmanager
    def of(self, size_bytes: int) -> Iterator[None]:
        """Hold that much until the context ends."""
        held_bytes = min(size_bytes, self._total_bytes)
        with self._changed:
            self._changed.wait_for(lambda: self._left_bytes >= held_bytes)
            self._left_bytes -= held_bytes
        try:
            yield
        finally:
            with self._changed:
                self._left_bytes += held_bytes
                self._changed.notify_all()
