"""A server whose model loads, and whose pictures are answered, when a line on stdin says so.

Run with the length of its queue, the seconds it may take to end, and how many files it may have
open if not as many as ever. It says `begun` for each
picture it starts on. The lines are `load`, and `go` for all pictures from then on.
"""

import contextlib
import resource
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from offload.domain.errors import TooHeavy
from offload.domain.vision import Detections, Image, Selection
from offload.service.server import run
from offload.service.server.core import Service, SessionFactory
from offload.service.wire import Info, Startup
from tests.fakes import IDENTITY, FakeSession


@dataclass
class Gated(FakeSession):
    """Finds a dog, when it may."""

    concurrency: int = 1
    loading: threading.Event = field(default_factory=threading.Event)
    free: threading.Event = field(default_factory=threading.Event)

    def detect(
        self,
        image: Image,
        selection: Selection | None = None,
        max_pixels: int | None = None,
        *,
        heavy: bool = True,
    ) -> Detections:
        """The dog."""
        del selection, max_pixels
        if image.data == b"heavy" and not heavy:
            raise TooHeavy("heavy")
        if image.path != "warm-up":
            say("begun")
            self.free.wait()
        return super().detect(image)

    @contextlib.contextmanager
    def opened(self) -> Iterator[SessionFactory]:
        """Itself, once it is told to load."""
        self.loading.wait()
        yield self


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - tests read it


def info(queue: int) -> Info:
    """What it says of itself."""
    model = (IDENTITY, {18: "dog"}, 0.25)
    unknown = Startup(0.0, 0.0, 0.0)
    return Info("offload", "0", *model, 1, 1, queue, 10**6, 10**6, {}, unknown)


def main(queue: int, drain_s: int, files: int | None = None) -> None:
    if files is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    engine = Gated()

    def obey() -> None:
        gates = {"load": engine.loading, "go": engine.free}
        for line in sys.stdin:
            gates[line.strip()].set()

    threading.Thread(target=obey, daemon=True).start()

    listener = run.listen("127.0.0.1", 0)
    say(f"http://127.0.0.1:{listener.getsockname()[1]}")
    service = Service(engine.opened, info(queue), b"", time.perf_counter, drain_s=drain_s)
    run.serve(service, listener, lambda _info: say("ready"))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
