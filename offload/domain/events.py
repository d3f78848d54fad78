"""What a long job tells of itself: events with values, which `render` puts into words."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened that somebody may want to know."""


@dataclass(frozen=True, slots=True)
class Warned(Event):
    """The user should know this."""

    text: str


@dataclass(frozen=True, slots=True)
class Noted(Event):
    """A plan changed on the way; shown among the progress."""

    text: str


@dataclass(frozen=True, slots=True)
class Stepped(Event):
    """A step of something long; shown with `--verbose`."""

    text: str


@dataclass(frozen=True, slots=True)
class Transferred(Event):
    """So many bytes of `total_bytes`, None if unknown, have been moved."""

    done_bytes: int
    total_bytes: int | None


def _ignored(event: Event) -> None:
    del event


class Reporter:
    """Takes events from any thread and hands them to whoever listens; silent unless told whom."""

    def __init__(self, listener: Callable[[Event], None] = _ignored) -> None:
        self.emit = listener

    def warn(self, text: str) -> None:
        """The user should know `text`."""
        self.emit(Warned(text))

    def note(self, text: str) -> None:
        """A plan changed on the way."""
        self.emit(Noted(text))

    def step(self, text: str) -> None:
        """A step of something long."""
        self.emit(Stepped(text))

    def transferred(self, done_bytes: int, total_bytes: int | None) -> None:
        """Bytes were moved."""
        self.emit(Transferred(done_bytes, total_bytes))
