"""Inference slots with a bounded queue in front."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from http import HTTPStatus
from typing import Protocol

from offload.domain.ports import Session
from offload.domain.timing import Clock
from offload.domain.vision import Detections, Image, Selection
from offload.service import wire
from offload.service.server.intake import Body
from offload.service.server.metrics import Metrics
from offload.service.server.problems import later


class SessionFactory(Session, Protocol):
    """What answers: a session whose selection may differ from image to image."""

    def detect(
        self, image: Image, selection: Selection | None = None, max_pixels: int | None = None
    ) -> Detections:
        """Find the objects of one image."""


OpenEngine = Callable[[], AbstractContextManager[SessionFactory]]


class Slots:
    """As many images at a time as the engine has slots for, and a queue in front."""

    def __init__(
        self, engine: SessionFactory, info: wire.Info, metrics: Metrics, clock: Clock
    ) -> None:
        self.engine = engine
        self.info = info
        self.in_hand = 0
        self._metrics = metrics
        self._clock = clock
        self._threads = ThreadPoolExecutor(engine.concurrency, "slot")

    @contextmanager
    def admission(self) -> Iterator[None]:
        """A request's place in the queue, for as long as it has images waiting or at work.

        Raises:
            Problem: the queue is full.
        """
        if self.in_hand >= self.engine.concurrency + self.info.queue:
            wait_s = self.info.startup.service_s * self.in_hand / self.engine.concurrency
            detail = f"All slots are busy and the queue of {self.info.queue} is full."
            raise later(HTTPStatus.TOO_MANY_REQUESTS, detail, wait_s)
        self.in_hand += 1
        try:
            yield
        finally:
            self.in_hand -= 1

    async def detect(
        self,
        body: Body,
        make: Callable[[], bytes],
        selection: Selection | None = None,
        max_pixels: int | None = None,
    ) -> wire.Answer:
        """The answer for the image file that `make` gives, which runs in the slot too; `body` is
        what the file came in. `queue_s` is the wait for a slot and, inside it, for a detector.

        Raises:
            ImageError: the image cannot be used.
        """
        asked_s = self._clock()

        def work() -> wire.Answer:
            begun_s = self._clock()
            found = self.engine.detect(Image("", make()), selection, max_pixels)
            queue_s = found.durations.queue_s + begun_s - asked_s
            found = replace(found, durations=replace(found.durations, queue_s=queue_s))
            return wire.Answer.of(found, body.recv_s, self.info.model.sha256)

        answer = await asyncio.get_running_loop().run_in_executor(self._threads, work)
        self._metrics.detected(answer.durations)
        return answer

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False)
