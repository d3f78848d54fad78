"""A client's session at a server, with its pauses noted instead of made."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from offload.domain.vision import Detections, Image, Selection
from offload.service.client.balanced import BalancedSession
from offload.service.client.greeting import Address, ask
from offload.service.client.session import ServerSession, Upload
from tests.remote.flaky import Flaky

PHOTO = Image("photo.jpg", b"\xff\xd8 no more than bytes to a server that does not look")

_ALL, _AS_IT_IS = Selection(), Upload()


@dataclass
class Visit:
    """An open session and the seconds it would have paused."""

    session: BalancedSession
    pauses_s: list[float] = field(default_factory=list)

    def detect(self, image: Image = PHOTO) -> Detections:
        return self.session.detect(image)


@contextmanager
def visit(
    flaky: Flaky,
    selection: Selection = _ALL,
    upload: Upload = _AS_IT_IS,
    pause: Callable[[float], None] = lambda _seconds: None,
    **how: Any,
) -> Iterator[Visit]:
    """A session at `flaky`; `how` is the rest of its address. `pause` is told each pause too."""
    pauses_s: list[float] = []

    def note(seconds: float) -> None:
        pauses_s.append(seconds)
        pause(seconds)

    clock = time.perf_counter
    address = Address(flaky.url, **how)
    with closing(address.connect(clock)) as server:
        info = ask(server, address)
        session = ServerSession(server, address, info, selection, 1_000_000, upload, clock)
        yield Visit(BalancedSession([session], address, pause=note), pauses_s)


def at_once(work: Callable[[], object], threads: int) -> None:
    """`work` in several threads, until all have ended.

    Raises:
        Exception: the first that `work` raised.
    """
    errors: list[Exception] = []

    def one() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - raised again below
            errors.append(error)

    running = [threading.Thread(target=one) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if errors:
        raise errors[0]
