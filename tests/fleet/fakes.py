"""What lies between the two ends of a fleet's queue, in memory: `service.queued.ports`."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from offload.domain.errors import ImageError, OffloadError, PlaceUnavailable, UsageError
from offload.domain.timing import Clock
from offload.service.queued.ports import Backlog, Message, Size


@dataclass
class Held:
    """A message in a queue."""

    body: str
    notes: Mapping[str, str]
    receives: int = 0
    hidden_until_s: float = float("-inf")


@dataclass
class FakeQueue:
    """A queue whose messages are hidden for `visibility_s` once they were given, by its `clock`.

    What is `doubled` comes once more however soon it is deleted. A queue that is `gone` refuses
    everything; `fails` is told what a worker or client is about to do, and may raise.
    """

    url: str = "memory:queue"
    visibility_s: float = 60.0
    doubled: Callable[[str], bool] = lambda _body: False
    clock: Clock = time.monotonic
    gone: bool = False
    fails: Callable[[str], None] = lambda _call: None
    extended: list[int] = field(default_factory=list)
    held: dict[str, Held] = field(default_factory=dict)
    numbers: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def send(self, body: str, notes: Mapping[str, str] | None = None) -> None:
        """Add it."""
        with self._there("send"):
            self._add(Held(body, dict(notes or {})))

    def receive(self, most: int, wait_s: int) -> list[Message]:
        """Those that nobody has, once there is one."""
        give_up_s = time.monotonic() + wait_s
        with self._there("receive"):
            while not (found := self._visible()) and (left := give_up_s - time.monotonic()) > 0:
                self.changed.wait(min(0.05, left))  # what is hidden comes back by itself
                self._check()
            return [self._given(receipt) for receipt in found[:most]]

    def extend(self, message: Message, for_s: int) -> None:
        """Hide it for so long, unless it was given to somebody else since."""
        with self._there("extend"):
            self.extended.append(for_s)
            if held := self.held.get(message.receipt):
                held.hidden_until_s = self.clock() + for_s

    def delete(self, message: Message) -> None:
        """It is done."""
        with self._there("delete"):
            self.held.pop(message.receipt, None)

    def delete_all(self, messages: Sequence[Message]) -> None:
        """They are done."""
        for message in messages:
            self.delete(message)

    def backlog(self) -> Backlog:
        """What it holds."""
        with self._there():
            visible = len(self._visible())
            return Backlog(visible, len(self.held) - visible)

    @property
    def bodies(self) -> list[str]:
        """Of all that it holds."""
        return [held.body for held in self.messages]

    @property
    def messages(self) -> list[Held]:
        """All, the oldest first."""
        with self.changed:
            return list(self.held.values())

    def _there(self, call: str = "") -> threading.Condition:
        if call:
            self.fails(call)
        self._check()
        return self.changed

    def _check(self) -> None:
        if self.gone:
            raise PlaceUnavailable(f"There is no queue {self.url}.")

    def _add(self, held: Held) -> str:
        self.numbers += 1
        self.held[receipt := f"r{self.numbers}"] = held
        self.changed.notify_all()
        return receipt

    def _visible(self) -> list[str]:
        now_s = self.clock()
        return [receipt for receipt, held in self.held.items() if held.hidden_until_s <= now_s]

    def _given(self, receipt: str) -> Message:
        """It gets another receipt, with which only its last receiver can have it deleted."""
        held = self.held.pop(receipt)
        held.receives += 1
        if held.receives == 1 and self.doubled(held.body):
            self._add(Held(held.body, held.notes, held.receives))
        held.hidden_until_s = self.clock() + self.visibility_s
        return Message(held.body, self._add(held), held.receives)


@dataclass
class FakeQueues:
    """Queues by their URLs; others are gone."""

    by_url: dict[str, FakeQueue] = field(default_factory=dict)

    def __call__(self, url: str) -> FakeQueue:
        """The queue of a URL."""
        return self.by_url.get(url) or FakeQueue(url, gone=True)

    def made(self, name: str, tags: Mapping[str, str]) -> FakeQueue:
        """A new one."""
        assert tags
        queue = self.by_url[f"memory:{name}"] = FakeQueue(f"memory:{name}")
        return queue

    def remove(self, queue: FakeQueue) -> None:
        """It is gone, for those too who have it."""
        queue.gone = True
        self.by_url.pop(queue.url, None)


@dataclass
class FakeStore:
    """Objects by their keys; one that is `gone` refuses everything, `fails` is that of a queue."""

    objects: dict[str, bytes] = field(default_factory=dict)
    gone: bool = False
    fails: Callable[[str], None] = lambda _call: None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, key: str, data: bytes) -> None:
        """Write one."""
        self._check()
        with self.lock:
            self.objects[key] = data

    def put_new(self, key: str, data: bytes) -> bool:
        """Write one unless there is one."""
        self.fails("put_new")
        self._check()
        with self.lock:
            is_new = key not in self.objects
            self.objects.setdefault(key, data)
            return is_new

    def get(self, key: str, most_bytes: int) -> bytes | None:
        """One, if there is one."""
        self.fails("get")
        self._check()
        data = self.objects.get(key)
        if data is not None and len(data) > most_bytes:
            raise ImageError(f"it has {len(data)} bytes, {most_bytes} at most are taken")
        return data

    def delete(self, key: str) -> None:
        """Remove one."""
        self._check()
        self.objects.pop(key, None)

    def delete_all(self, keys: Sequence[str]) -> None:
        """Remove several."""
        for key in keys:
            self.delete(key)

    def _check(self) -> None:
        if self.gone:
            raise UsageError("There is no such bucket.")


@dataclass
class FakeGroup:
    """A group whose machines are there as soon as somebody says so with `come`."""

    most: int = 19
    desired: int = 0
    running: int = 0
    asked: list[int] = field(default_factory=list)
    why: OffloadError | None = None

    def size(self) -> Size:
        """How many there are."""
        return Size(self.desired, self.running, self.desired - self.running, self.most)

    def grow(self, machines: int) -> None:
        """Have at least so many."""
        self.asked.append(machines)
        self.desired = max(self.desired, min(machines, self.most))

    def trouble(self, since: datetime) -> OffloadError | None:
        """As a test says."""
        assert since.tzinfo
        return self.why

    def come(self) -> None:
        """All that are wanted run."""
        self.running = self.desired

    def go(self, machines: int = 1) -> None:
        """So many leave, with their places."""
        self.running -= machines
        self.desired -= machines


@dataclass
class FakeMember:
    """A worker's machine."""

    id: str = "i-1"
    said: str | None = None
    left: bool = False

    def notice(self) -> str | None:
        """Why it is about to be taken away."""
        return self.said

    def leave(self) -> None:
        """It ends."""
        self.left = True
