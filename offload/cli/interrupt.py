"""Ctrl-C: once to finish what is in hand, twice to stop now."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from offload.usecases.context import Context


@contextmanager
def stopping_on_interrupt(
    context: Context,
    doing: str = "Finishing what is in hand",
    came: list[int] | None = None,
) -> Iterator[list[int]]:
    """Meanwhile the first SIGINT or SIGTERM asks what is under way to stop; the next interrupts.

    The list given holds the signals that came, those in `came` before.
    """
    came = [] if came is None else came

    def on_signal(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        if len(came) > 1:
            raise KeyboardInterrupt
        context.stop.ask()
        context.reporter.warn(f"{doing}; Ctrl-C again stops now.")

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, on_signal) for number in numbers]
    try:
        yield came
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
