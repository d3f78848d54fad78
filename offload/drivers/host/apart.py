"""Work in a process of its own, which the system ends when it takes too long or too much memory."""

import atexit
import math
import os
import pickle
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain, repeat
from typing import Any

from offload.drivers.host.capture import Captured

_USUAL_BYTES = 256 * 2**20
"""What such a process takes before it does anything, with room to spare."""

_NOTHING = iter, ((),), 1, 0
"""Work that leaves nothing in memory."""


class GoneError(Exception):
    """The process that worked is no more."""


class _Worker:
    """A process that ends when its input does: with us."""

    def __init__(self) -> None:
        paths = os.pathsep.join(filter(None, sys.path))
        self.process = subprocess.Popen(  # noqa: S603 - the command is our own
            [sys.executable, "-P", "-m", __name__],
            env=os.environ | {"PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us alone
        )
        self.busy = False

    def ask(self, request: object) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.busy = True
        try:
            pickle.dump(request, self.process.stdin, pickle.HIGHEST_PROTOCOL)
            self.process.stdin.flush()
            value, error = pickle.load(self.process.stdout)  # noqa: S301 - it is one of ours
        except (OSError, EOFError, pickle.UnpicklingError) as gone:
            raise GoneError from gone
        self.busy = False
        if error is not None:
            raise error
        return value

    def rest(self) -> None:
        """Be there for the next, or end where something is still to come."""
        with suppress(GoneError):
            if not self.busy:
                self.ask(_NOTHING)
                _idle.append(self)
                return
        self.end()

    def end(self) -> None:
        """Let nothing be left of it."""
        self.process.kill()
        self.process.communicate()


_idle: list[_Worker] = []
_others: list[_Worker] = []
"""Those of the process that this one was forked from: not ours to use, nor to end."""


def _forked() -> None:
    _others.extend(_idle)
    _idle.clear()


def _leave() -> None:
    while _idle:
        _idle.pop().end()


atexit.register(_leave)
os.register_at_fork(after_in_child=_forked)


@contextmanager
def steps(
    work: Callable[..., Iterator[Any]], *arguments: Any, most_s: int, most_bytes: int
) -> Iterator[Iterator[Any]]:
    """What `work(*arguments)` yields, each worked out when it is asked for, in another process; all
    together within about `most_s` seconds of a core and `most_bytes`. Everything is pickled.

    Raises:
        GoneError: the process came to an end, by its limits or by anybody's hand.
    """
    worker = _free()
    try:
        first = work, arguments, most_s, most_bytes
        yield map(worker.ask, chain([first], repeat(None)))
    finally:
        worker.rest()


def _free() -> _Worker:
    with suppress(IndexError):
        while True:
            worker = _idle.pop()
            if worker.process.poll() is None:
                return worker
            worker.end()
    return _Worker()


def _answer() -> None:
    """Do what is asked on standard input, until that ends."""
    with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("1000")  # where memory runs short, it is this process that goes
    work: Iterator[Any] = iter(())
    with suppress(EOFError):
        while True:
            request = pickle.load(sys.stdin.buffer)  # noqa: S301 - from who started us
            value = None
            with Captured() as caught:
                if request is not None:
                    function, arguments, most_s, most_bytes = request
                    _limit(most_s, most_bytes)
                    work = function(*arguments)
                value = next(work, None)
            pickle.dump((value, caught.error), sys.stdout.buffer, pickle.HIGHEST_PROTOCOL)
            sys.stdout.buffer.flush()


def _limit(most_s: int, most_bytes: int) -> None:
    for kind, most in (
        (resource.RLIMIT_CPU, math.ceil(time.process_time()) + most_s),
        (resource.RLIMIT_DATA, most_bytes + _USUAL_BYTES),
    ):
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (most if hard < 0 else min(most, hard), hard))


if __name__ == "__main__":
    _answer()
