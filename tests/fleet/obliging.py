"""A fleet in memory: what lies between, and workers that find a dog in everything."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from offload.domain import typed
from offload.domain.events import Event, Reporter
from offload.domain.machines import FleetInfo
from offload.domain.results import Row
from offload.domain.timing import Durations
from offload.domain.vision import Box, Detection, Selection
from offload.places.fleet import Ends, FleetPlace, FleetSession
from offload.providers.config import PlaceConfig
from offload.service.client.greeting import Address
from offload.service.queued.message import VERSION, Result, Task
from offload.version import __version__
from tests.fakes import IDENTITY
from tests.fleet.fakes import FakeGroup, FakeQueue, FakeQueues, FakeStore

DOG = Detection("dog", 18, 0.9, Box(0.1, 0.2, 0.3, 0.4))
INFO = FleetInfo(
    name="offload", region="us-east-1", version=__version__, model=IDENTITY, labels={18: "dog"},
    min_score=0.25, instance_types=("c7i.large",), vcpus=2, usd_per_h=0.0893, spot=False, most=5,
    bucket="bucket", queue_url="memory:tasks", dead_url="memory:dead",
)  # fmt: skip


@dataclass
class World:
    """Everything of a fleet, and what its clients told."""

    info: FleetInfo = INFO
    store: FakeStore = field(default_factory=FakeStore)
    queues: FakeQueues = field(default_factory=FakeQueues)
    group: FakeGroup = field(default_factory=lambda: FakeGroup(most=INFO.most))
    told: list[Event] = field(default_factory=list)
    tasks: FakeQueue = field(default_factory=lambda: FakeQueue("memory:tasks"))

    def __post_init__(self) -> None:
        self.queues.by_url[self.tasks.url] = self.tasks

    @property
    def ends(self) -> Ends:
        """What lies between."""
        return Ends(self.info, self.store, self.queues, self.group)

    def place(self, **more: object) -> FleetPlace:
        """The place of a client, whose configuration says more."""

        def nothing(*_asked: object) -> None:
            raise AssertionError

        config = PlaceConfig(
            asked=None, labels=None, resolve=nothing, here=nothing, cache="", load=nothing,  # type: ignore[arg-type]
            max_pixels=10**6, clock=Clock(), cores=2, fleet="offload",
            link=Address(timeout_s=60), reporter=Reporter(self.told.append),
        )  # fmt: skip
        return FleetPlace(replace(config, **more), lambda: self.ends)  # type: ignore[arg-type]

    @contextmanager
    def session(self, images: int = 100, **more: object) -> Iterator[FleetSession]:
        """A session at it."""
        with self.place(**more).open(Selection(), images) as opened:
            yield opened

    @contextmanager
    def workers(self, rows: Callable[[Task], Row] | None = None, count: int = 1) -> Iterator[None]:
        """Meanwhile tasks are answered."""
        over = threading.Event()

        def work(name: str) -> None:
            while not over.is_set():
                over.wait(0.002)
                for message in self.tasks.receive(1, 0):
                    task = typed.parse(Task, message.body.encode())
                    self.answer(task, (rows or found)(task), name)
                    self.tasks.delete(message)

        threads = [threading.Thread(target=work, args=[f"i-{n}"]) for n in range(count)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def answer(self, task: Task, row: Row, /, worker: str = "i-0", **more: object) -> None:
        """As a worker does it: the row, then the answer."""
        self.store.put_new(task.row_key, typed.encoded(row.to_dict()))
        result = Result(VERSION, task.row_key, row.to_dict(), worker, 2)
        answers = self.queues(task.reply_to)
        if not answers.gone:
            answers.send(typed.encoded(replace(result, **more)).decode())  # type: ignore[arg-type]


def found(task: Task) -> Row:
    """A dog."""
    durations = Durations(read_s=0.01, decode_s=0.002, infer_s=0.01)
    return Row(
        task.path, IDENTITY.name, IDENTITY.sha256, "fleet", (DOG,), 640, 480, durations=durations
    )


@dataclass
class Clock:
    """Stands still until it is told otherwise."""

    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s
