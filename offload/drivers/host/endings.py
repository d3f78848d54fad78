"""The signals that end this process: Ctrl-C, SIGTERM, and SIGHUP of a terminal that is gone."""

import os
import signal
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def heard(on_signal: Callable[[int], None]) -> Iterator[None]:
    """Meanwhile `on_signal` is called with each signal that is to end us: SIGINT, SIGTERM, SIGHUP.

    A hang-up is left alone where it is ignored, as with nohup. Shell and kernel may each send one,
    and some systems SIGTERM besides: together they are one.
    """
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)

    def handle(number: int, _frame: FrameType | None) -> None:
        if signal.SIGHUP in numbers:
            signal.signal(signal.SIGHUP, _lose_terminal)
        if number == signal.SIGHUP:
            signal.signal(signal.SIGTERM, _lose_terminal)
            _lose_terminal()
        on_signal(number)

    before = [(number, signal.signal(number, handle)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in before:
            if signal.getsignal(number) is not _lose_terminal:
                signal.signal(number, handler)


def _lose_terminal(*_signal: object) -> None:
    """Have what is said to a terminal that is gone go nowhere, rather than fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        if stat.S_ISCHR(os.fstat(stream).st_mode) and not os.isatty(stream):
            os.dup2(nowhere, stream)
    os.close(nowhere)
