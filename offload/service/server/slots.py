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

    def __init__(self, engine: SessionFactory, info: wire.Info, clock: Clock) -> None:
        self.engine = engine
        self.info = info
        self.in_hand = 0
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
        self, make: Callable[[], Image], selection: Selection | None, max_pixels: int | None
    ) -> Detections:
        """The answer for the image that `make` gives, which runs in the slot too.

        `queue_s` is the wait for a slot and, inside it, for a detector.

        Raises:
            ImageError: the image cannot be used.
        """
        asked_s = self._clock()

        def work() -> Detections:
            begun_s = self._clock()
            found = self.engine.detect(make(), selection, max_pixels)
            durations = found.durations
            queue_s = durations.queue_s + begun_s - asked_s
            return replace(found, durations=replace(durations, queue_s=queue_s))

        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False)
