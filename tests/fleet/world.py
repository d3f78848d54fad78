"""What lies between both ends of a queue, as ordinary code: nothing waits, all of it may fail."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from offload.domain import typed
from offload.domain.errors import ImageError
from offload.domain.events import Event, Reporter, Stop
from offload.domain.fleets import Backlog, Message
from offload.domain.vision import Detections, Image, Selection
from offload.service.queued.answering import Answering
from offload.service.queued.insisting import Insisting
from offload.service.queued.message import VERSION, Task
from tests.fakes import MODEL, FakeSession

ANSWERS = "https://answers"


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
        time.sleep(0)  # others have their turn


@dataclass
class FakeQueue:
    """Messages, those that are hidden, and what else was done; `trouble` is told of every call."""

    url: str
    trouble: Callable[[str], None]
    time: Time
    waiting: list[Message] = field(default_factory=list)
    hidden: dict[str, Message] = field(default_factory=dict)
    notes: list[Mapping[str, str] | None] = field(default_factory=list)
    extended: list[tuple[str, int]] = field(default_factory=list)

    def send(self, body: str, notes: Mapping[str, str] | None = None) -> None:
        self.trouble("send")
        self.notes.append(notes)
        self.waiting.append(Message(body, f"{self.url} {len(self.notes)}"))

    def receive(self, most: int, wait_s: int) -> list[Message]:
        self.trouble("receive")
        if not self.waiting:
            self.time.pass_by(wait_s)
        taken, self.waiting = self.waiting[:most], self.waiting[most:]
        self.hidden |= {message.receipt: message for message in taken}
        return taken

    def extend(self, message: Message, for_s: int) -> None:
        self.trouble("extend")
        self.extended.append((message.body, for_s))
        if not for_s and (back := self.hidden.pop(message.receipt, None)):
            self.waiting.append(replace(back, receives=back.receives + 1))

    def lapse(self) -> None:
        """Nobody extended what is hidden."""
        for each in list(self.hidden.values()):
            self.extend(each, 0)

    def delete(self, message: Message) -> None:
        self.trouble("delete")
        self.hidden.pop(message.receipt, None)

    def delete_all(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self.delete(message)

    def backlog(self) -> Backlog:
        return Backlog(len(self.waiting), len(self.hidden))

    @property
    def bodies(self) -> list[str]:
        return [message.body for message in self.waiting]


@dataclass
class FakeStore:
    """Objects; `trouble` is told of every call."""

    trouble: Callable[[str], None]
    objects: dict[str, bytes] = field(default_factory=dict)

    def put(self, key: str, data: bytes) -> None:
        self.trouble("put")
        self.objects[key] = data

    def put_new(self, key: str, data: bytes) -> bool:
        self.trouble("put_new")
        is_new = key not in self.objects
        self.objects.setdefault(key, data)
        return is_new

    def get(self, key: str, most_bytes: int) -> bytes | None:
        self.trouble("get")
        data = self.objects.get(key)
        if data is not None and len(data) > most_bytes:
            raise ImageError(f"{len(data)} bytes is more than is read of a file")
        return data

    def delete(self, key: str) -> None:
        self.trouble("delete")
        self.objects.pop(key, None)

    def delete_all(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.delete(key)


@dataclass
class FakeMember:
    """A machine of a group."""

    id: str = "i-1"
    why: str | None = None
    left: int = 0

    def notice(self) -> str | None:
        return self.why

    def leave(self) -> None:
        self.left += 1


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
        self.tasks = FakeQueue("https://tasks", self.trouble, self.time)
        self.dead = FakeQueue("https://dead", self.trouble, self.time)
        self.answers = FakeQueue(ANSWERS, self.trouble, self.time)
        self.store = FakeStore(self.trouble)
        self.engine = FakeEngine()
        self.stop = Stop()
        self.paused: list[float] = []

    def trouble(self, call: str) -> None:
        """Every call passes here."""
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
            self.tasks, self.dead, lambda url: {ANSWERS: self.answers}[url], self.store,
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
    while world.tasks.waiting or world.tasks.hidden:
        if not world.tasks.waiting:
            world.tasks.lapse()
        yield from world.tasks.receive(1, 0)
