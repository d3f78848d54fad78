"""This process: when it began, what interrupts it, and its exit codes besides those of errors."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from time import perf_counter
from typing import TYPE_CHECKING

from offload.drivers.host import endings

if TYPE_CHECKING:
    from offload.usecases.context import Context

BEGAN_S = perf_counter()
"""When this process began, as far as Python code can tell; before anything heavy is imported."""

SOME_FAILED = 3
UNAVAILABLE = 4
INTERRUPTED = 130


def end_without_reader() -> None:
    """End as other filters do whose reader has gone, `head` for instance: by the signal."""
    if sys.platform != "win32":
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGPIPE)


def interrupting() -> AbstractContextManager[None]:
    """Meanwhile SIGTERM and SIGHUP do what Ctrl-C does: what was brought up is taken down."""

    def on_signal(_number: int) -> None:
        raise KeyboardInterrupt

    return endings.heard(on_signal)


@contextmanager
def stopping_on_interrupt(
    context: "Context", doing: str = "Finishing what is in progress", came: list[int] | None = None
) -> Iterator[list[int]]:
    """Meanwhile the first SIGINT, SIGTERM or SIGHUP asks what is under way to stop; the next
    interrupts.

    The list given holds the signals that came, those in `came` before.
    """
    came = [] if came is None else came
    said = f"{doing}; Ctrl-C again stops now."

    def on_signal(number: int) -> None:
        came.append(number)
        if len(came) > 1:
            raise KeyboardInterrupt
        context.stop.ask()
        # What is interrupted may be in the middle of a line, which only another thread waits for.
        threading.Thread(target=context.reporter.warn, args=(said,)).start()

    with endings.heard(on_signal):
        yield came
