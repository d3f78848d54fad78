"""What lies between both ends of a queue, as ordinary code: nothing waits, all of it may fail."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from offload.domain import typed
from offload.domain.events import Event, Reporter, Stop
from offload.domain.machines import Message
from offload.domain.vision import Detections, Image, Selection
from offload.service.queued.answering import Answering
from offload.service.queued.insisting import Insisting
from offload.service.queued.message import VERSION, Task
from tests.fakes import MODEL, FakeSession
from tests.fleet.fakes import FakeQueue, FakeQueues, FakeStore

ANSWERS = "answers"


class Cut(BaseException):
    """The process is no more."""


@dataclass
class Time:
    """Passes as those who wait for it say."""

    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s

    def pass_by(self, seconds: float) -> None:
        self.now_s += seconds
        time.sleep(0.0005)  # much less passes for who is at work


@dataclass(kw_only=True)
class UnhurriedQueue(FakeQueue):
    """One in which waiting takes none of our time."""

    clock: Time

    def receive(self, most: int, wait_s: int) -> list[Message]:
        found = super().receive(most, 0)
        if not found:
            self.clock.pass_by(0 if self.messages else wait_s)
        return found


@dataclass
class FakeEngine:
    """Finds a dog in everything but what `meets` raises of."""

    meets: Callable[[Image], None] = lambda _image: None
    asked: list[Selection | None] = field(default_factory=list)

    def detect(
        self, image: Image, selection: Selection | None = None, max_pixels: int | None = None
    ) -> Detections:
        del max_pixels
        self.asked.append(selection)
        self.meets(image)
        return FakeSession().detect(image)


class World:
    """A fleet's queues and bucket, and a worker that is put together anew for each life."""

    def __init__(self) -> None:
        self.time, self.told = Time(), list[Event]()
        self.fails: Callable[[str], None] = lambda _call: None
        self.tasks, self.dead, self.answers = (
            UnhurriedQueue(url, clock=self.time, fails=self._fails)
            for url in ("tasks", "dead", ANSWERS)
        )
        self.store = FakeStore(fails=self._fails)
        self.engine = FakeEngine()
        self.stop = Stop()
        self.paused: list[float] = []

    def _fails(self, call: str) -> None:
        self.fails(call)

    def ask(self, path: str = "a.jpg", **changed: Any) -> Task:
        """Have an image be done."""
        task = Task(VERSION, path, f"in/job/{path}", f"rows/job/{path}.json", ANSWERS)
        self.store.objects[task.image_key] = b"\xff\xd8 picture"
        task = replace(task, **changed)
        self.tasks.send(typed.encoded(task).decode())
        return task

    def worker(self, patience_s: float = 0.0, slots: int = 1) -> Answering:
        """One that has just come up."""

        def pause(seconds: float) -> None:
            self.paused.append(seconds)
            self.time.pass_by(seconds)

        ask = Insisting(self.stop, patience_s, Reporter(self.told.append), self.time, pause)
        return Answering(
            self.tasks, self.dead, FakeQueues({ANSWERS: self.answers}), self.store,
            self.engine, MODEL, "nowhere", "w", slots, ask,
        )  # fmt: skip

    def rows(self) -> dict[str, Any]:
        """Those that there are, by their images' paths."""
        found = {k: v for k, v in self.store.objects.items() if k.endswith(".json")}
        return {row["path"]: row for row in map(typed.loads, found.values())}

    def said(self) -> list[Any]:
        """The answers so far."""
        return [typed.loads(body) for body in self.answers.bodies]


@dataclass
class Lives:
    """How many more calls the process lives for; once it is dead, no thread of it does anything."""

    left: int
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, _call: str) -> None:
        with self.lock:
            self.left -= 1
            if self.left < 0:
                raise Cut


def taken(world: World) -> Iterator[Message]:
    """Messages one after the other; those that nobody has any more are there again at the end."""
    while world.tasks.messages:
        if not world.tasks.backlog().visible:
            world.time.pass_by(world.tasks.visibility_s)
        yield from world.tasks.receive(1, 0)
