"""Work pulled by threads, results as they come, a bounded number in hand."""

import sys
import threading
from collections.abc import Callable, Generator, Iterable
from queue import Queue
from typing import TypeVar

from offload.domain.events import Stop
from offload.drivers.host.capture import Captured

T = TypeVar("T")
R = TypeVar("R")
_NO_MORE = object()


def pull(items: Iterable[T], work: Callable[[T], R], workers: int, stop: Stop) -> Generator[R]:
    """`work(item)` for every item, in order of completion.

    Each of `workers` threads takes an item when it has finished its last, so at most that many are
    in hand, and as many results wait for a slow consumer. An exception in `work` is a bug: it
    stops the pipeline and is raised here. Threads are daemons: a process that must end now does.
    """
    source, lock = iter(items), threading.Lock()
    done: Queue[tuple[R] | Captured] = Queue(maxsize=workers)

    def take() -> T | object:
        with lock:
            return _NO_MORE if stop else next(source, _NO_MORE)

    def run() -> None:
        with Captured() as end:
            while (item := take()) is not _NO_MORE:
                done.put((work(item),))  # type: ignore[arg-type] # anything else is a T
        done.put(end)

    for number in range(workers):
        threading.Thread(target=run, name=f"worker-{number}", daemon=True).start()
    running = workers
    try:
        while running:
            result = done.get()
            if isinstance(result, Captured):
                running -= 1
                result.again()
            else:
                yield result[0]
    except KeyboardInterrupt:
        running = 0  # now means now: the threads end with the process
        raise
    finally:
        stop.ask()
        # Let blocked workers hand over and go; at the interpreter's end they are frozen.
        while running and not sys.is_finalizing():
            running -= isinstance(done.get(), Captured)
