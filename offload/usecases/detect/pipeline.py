"""Work pulled by threads, results as they come, a bounded number in hand."""

import sys
import threading
from collections.abc import Callable, Generator, Iterable
from queue import Queue
from typing import TypeVar

from offload.drivers.host.capture import Captured

T = TypeVar("T")
R = TypeVar("R")


class Stop:
    """Asked to stop, a pipeline finishes what it holds and takes nothing more."""

    def __init__(self) -> None:
        self._asked = False

    def ask(self) -> None:
        """Take nothing more from now on."""
        self._asked = True

    def __bool__(self) -> bool:
        return self._asked


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


_END = object()


def pull(items: Iterable[T], work: Callable[[T], R], workers: int, stop: Stop) -> Generator[R]:
    """`work(item)` for every item, in order of completion.

    Each of `workers` threads takes an item when it has finished its last, so at most that many are
    in hand, and as many results wait for a slow consumer. An exception in `work` is a bug: it
    stops the pipeline and is raised here. Threads are daemons: a process that must end now does.
    """
    source = _Source(items, stop)
    done: Queue[object] = Queue(maxsize=workers)
    for number in range(workers):
        arguments = (source, work, done)
        threading.Thread(target=_work, args=arguments, name=f"worker-{number}", daemon=True).start()
    running = workers
    try:
        while running:
            result = done.get()
            if result is _END:
                running -= 1
            elif isinstance(result, _Failure):
                raise result.error
            else:
                yield result  # type: ignore[misc] # what is left is an R
    except KeyboardInterrupt:
        running = 0  # now means now: the threads end with the process
        raise
    finally:
        stop.ask()
        # Let blocked workers hand over and go; at the interpreter's end they are frozen.
        while running and not sys.is_finalizing():
            running -= done.get() is _END


class _Source:
    """An iterator that threads share, dry once `stop` is asked."""

    def __init__(self, items: Iterable[object], stop: Stop) -> None:
        self._items = iter(items)
        self._lock = threading.Lock()
        self._stop = stop

    def take(self) -> object:
        with self._lock:
            return _END if self._stop else next(self._items, _END)


def _work(source: _Source, work: Callable[[T], R], done: Queue[object]) -> None:
    with Captured() as caught:
        while (item := source.take()) is not _END:
            done.put(work(item))  # type: ignore[arg-type] # anything but _END is a T
    if caught.error is not None:
        done.put(_Failure(caught.error))
    done.put(_END)
