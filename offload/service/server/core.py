"""What the routes share: the slots and their queue, what a monitor reads of them, documents."""

import asyncio
import math
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import astuple, dataclass, field, replace
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol, runtime_checkable

from fastapi import Request
from fastapi.responses import Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.requests import ClientDisconnect

from offload.domain import typed
from offload.domain.errors import TooHeavy
from offload.domain.events import Listener
from offload.domain.ports import Session
from offload.domain.timing import Clock
from offload.domain.vision import Detections, Image, Selection
from offload.service import wire
from offload.service.server.intake import Body, Intake
from offload.service.server.problems import AWAY_S, Problem, later

FILE = {"schema": {"type": "string", "format": "binary"}}
FORM = {
    "schema": {
        "type": "object",
        "properties": {"myfile": {"type": "string", "format": "binary"}},
        "required": ["myfile"],
    }
}
"""A body that is a file, and a form that holds one, as OpenAPI describes them."""


class Metrics:
    """Counters of one server."""

    content_type = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self) -> None:
        kept = self._registry = CollectorRegistry()
        self.answers = Counter("offload_responses", "Answers by status.", ["status"], registry=kept)
        self._images = Counter("offload_images", "Images detected.", registry=kept)
        seconds = Histogram(
            "offload_image_seconds",
            "Seconds per image, by phase.",
            ["phase"],
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=kept,
        )
        self._phases = [seconds.labels(name) for name in wire.TIMINGS]
        self.in_progress = Gauge(
            "offload_requests_in_progress", "Waiting or in progress.", registry=kept
        )
        self.held_bytes = Gauge("offload_held_bytes", "Bodies in memory.", registry=kept)

    def detected(self, durations: wire.ServerDurations) -> None:
        """Count an image and its durations."""
        self._images.inc()
        for phase, seconds in zip(self._phases, astuple(durations), strict=True):
            phase.observe(seconds)

    def text(self) -> bytes:
        """All of them, for a monitor."""
        return generate_latest(self._registry)


class SessionFactory(Session, Protocol):
    """What answers: a session whose selection may differ from image to image."""

    def detect(
        self,
        image: Image,
        selection: Selection | None = None,
        max_pixels: int | None = None,
        *,
        heavy: bool = True,
    ) -> Detections:
        """Find the objects of one image; TooHeavy where it may not be `heavy` to decode, but is."""


@runtime_checkable
class Elsewhere(Session, Protocol):
    """What answers far away: an image that waits there takes no thread here."""

    def ask(
        self, image: Image, selection: Selection | None = None, max_pixels: int | None = None
    ) -> Future[Detections]:
        """Send one image; its objects, once they are known. Who has cancelled it is told nothing.

        Raises:
            OffloadError: it cannot be sent, and why.
        """


OpenEngine = Callable[[], AbstractContextManager[SessionFactory | Elsewhere]]


@dataclass(slots=True)
class Slots:
    """As many images at a time as the engine has slots for, and a queue in front, in which none
    waits for longer than `patience_s`; `at_work` are the threads that have one.
    """

    engine: SessionFactory | Elsewhere
    info: wire.Info
    metrics: Metrics
    clock: Clock
    patience_s: float = 300.0
    in_progress: int = 0
    at_work: set[int] = field(default_factory=set)
    threads: ThreadPoolExecutor = field(init=False)
    heavy: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self.threads = ThreadPoolExecutor(self.engine.concurrency, "slot")
        self.heavy = ThreadPoolExecutor(-(-self.engine.concurrency // 2), "heavy")

    @asynccontextmanager
    async def admission(self, request: Request) -> AsyncIterator[None]:
        """A request's place in the queue, for as long as it has images waiting or at work and its
        sender is there.

        Raises:
            Problem: the queue is full.
            ClientDisconnect: the sender has gone.
        """
        if self.in_progress >= self.engine.concurrency + self.info.queue:
            raise self._crowded(f"All workers are busy and the queue of {self.info.queue} is full.")
        self.in_progress += 1
        leaving = asyncio.create_task(_leave_with(request, asyncio.current_task()))
        try:
            yield
        except asyncio.CancelledError as error:
            if leaving.done():
                raise ClientDisconnect from error
            raise
        finally:
            leaving.cancel()
            self.in_progress -= 1

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
            Problem: it has waited for too long.
            OffloadError: it cannot be asked for elsewhere.
        """
        asked_s = self.clock()

        def work(*, heavy: bool) -> Detections | Future[Detections]:
            begun_s = self.clock()
            if begun_s - asked_s > self.patience_s:
                raise self._crowded(f"No worker was free for {self.patience_s:g} s.")
            self.at_work.add(threading.get_ident())
            try:
                image = Image("", make())
                if isinstance(self.engine, Elsewhere):
                    return self.engine.ask(image, selection, max_pixels)
                found = self.engine.detect(image, selection, max_pixels, heavy=heavy)
            finally:
                self.at_work.discard(threading.get_ident())
            queue_s = found.durations.queue_s + begun_s - asked_s
            return replace(found, durations=replace(found.durations, queue_s=queue_s))

        run = asyncio.get_running_loop().run_in_executor
        try:
            found = await run(self.threads, partial(work, heavy=False))
        except TooHeavy:  # the others' slots are not for it
            found = await run(self.heavy, partial(work, heavy=True))
        if isinstance(found, Future):
            found = await self._awaited(found)
        answer = wire.Answer.of(found, body.recv_s, self.info.model.sha256)
        self.metrics.detected(answer.durations)
        return answer

    async def _awaited(self, answer: Future[Detections]) -> Detections:
        """What is found elsewhere, for as long as somebody waits for it."""
        try:
            return await asyncio.wait_for(asyncio.wrap_future(answer), self.patience_s)
        except TimeoutError as error:
            detail = f"No answer came for {self.patience_s:g} s."
            raise later(HTTPStatus.SERVICE_UNAVAILABLE, detail, AWAY_S) from error

    def _crowded(self, detail: str) -> Problem:
        wait_s = self.info.startup.service_s * self.in_progress / self.engine.concurrency
        return later(HTTPStatus.TOO_MANY_REQUESTS, detail, wait_s)


async def _leave_with(request: Request, task: "asyncio.Task[None] | None") -> None:
    """Cancel `task` when the sender of a request, whose body has come, is gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    if task is not None:
        task.cancel()


@dataclass(slots=True)
class Service:
    """What is served and how; `slots` are there once the model is loaded and warm.

    `open_engine` brings up what answers; `info` is the document about it, but for the seconds that
    coming up takes. `sample` is an encoded picture of usual size, to warm up with what is here.
    `drain_s` is how long requests in progress may take at the end: while it is `ending` it is not
    ready and each answer is the last of its connection, and once it is `closed` new requests are
    refused. A connection is closed after `most_requests` anyway. `tell` is told of every answer, if
    somebody wants to know.
    """

    open_engine: OpenEngine
    info: wire.Info
    sample: bytes
    clock: Clock
    token: str | None = field(default=None, repr=False)
    drain_s: int = 30
    metrics: Metrics = field(default_factory=Metrics)
    slots: Slots | None = None
    ending: bool = False
    closed: bool = False
    most_requests: float = math.inf
    tell: Listener | None = None
    intake: Intake = field(init=False)

    def __post_init__(self) -> None:
        max_bytes = self.info.max_bytes
        self.intake = Intake(max_bytes, max(256 * 2**20, 4 * max_bytes), self.clock)

    def ready(self) -> Slots:
        """What answers.

        Raises:
            Problem: the model is still loading.
        """
        if self.slots is None:
            raise later(HTTPStatus.SERVICE_UNAVAILABLE, "The model is still loading.", 1.0)
        return self.slots


def taken(content: Mapping[str, Any], *, required: bool = True) -> dict[str, Any]:
    """What a route takes, by media type, as OpenAPI describes it."""
    return {"requestBody": {"required": required, "content": content}}


def sent(document: object, server_timing: str = "") -> Response:
    """A document as it is sent."""
    headers = {"Server-Timing": server_timing} if server_timing else {}
    return Response(typed.encoded(document), media_type="application/json", headers=headers)
