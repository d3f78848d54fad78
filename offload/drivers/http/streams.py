"""Connections that somebody else makes."""

from collections.abc import Callable
from typing import Protocol


class Stream(Protocol):
    """A connection that is no socket of ours. Its errors are OSErrors, with a reason."""

    def read(self, n: int, timeout_s: float | None) -> bytes:
        """Up to `n` bytes as soon as there are any; none at the end."""

    def write(self, data: bytes, timeout_s: float | None) -> None:
        """Send it all; `timeout_s` is how long it may make no progress."""

    def is_readable(self) -> bool:
        """Whether `read` would return at once: of an idle connection, that it has ended."""

    def close(self) -> None:
        """Close it."""


Dial = Callable[[float], Stream]
"""Makes a connection to a server within so many seconds, or raises OSError."""
