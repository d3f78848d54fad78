"""The signals that end this process: Ctrl-C, SIGTERM, and SIGHUP of a terminal that is gone."""

import os
import signal
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_HANG_UP = None if sys.platform == "win32" else signal.SIGHUP


@contextmanager
def heard(on_signal: Callable[[int], None]) -> Iterator[None]:
    """Meanwhile `on_signal` is called with each signal that is to end us: SIGINT, SIGTERM, SIGHUP.

    A hang-up is left alone where it is ignored, as with nohup. Shell and kernel may each send one,
    and some systems SIGTERM besides: together they are one.
    """
    numbers = [signal.SIGINT, signal.SIGTERM]
    if _HANG_UP is not None and signal.getsignal(_HANG_UP) is not signal.SIG_IGN:
        numbers.append(_HANG_UP)

    def handle(number: int, _frame: FrameType | None) -> None:
        if _HANG_UP in numbers:
            signal.signal(_HANG_UP, _lose_terminal)
        if number == _HANG_UP:
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
