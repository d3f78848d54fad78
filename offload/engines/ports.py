"""What a batch asks of an engine, and what it is told.

A batch is a list of images cut into shards. An engine only hands them out: a shard's rows are one
object under the batch's output, written where there is none yet, so a shard may be worked on twice
and is never lost.
"""

import math
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from offload.domain.events import Reporter, Stop
from offload.drivers.aws.ec2 import Cloud, Clouds
from offload.drivers.settings import Settings


@dataclass(frozen=True, slots=True)
class Shard:
    """Some images of a batch, in the order of their keys. `name` is its number and the SHA-256 of
    what it lists.
    """

    number: int
    name: str
    images: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a shard at a worker; `images` have rows now, `failed` of them without
    detections. `wrote` is False where its rows were there already. `error` is why it has none: the
    shard, not an image, could not be done.
    """

    shard: int
    images: int = 0
    failed: int = 0
    objects: int = 0
    took_s: float = 0.0
    host: str = ""
    wrote: bool = True
    error: str | None = None


Work = Callable[[Shard], Outcome]
"""Does a shard, in any process that has offload. It can be pickled and holds no secret."""


@dataclass(frozen=True, slots=True)
class Job:
    """A batch, as an engine sees it. `out` is the URL of its output. `command` is what a process is
    started with that does one shard: `offload …`, to which an engine adds `--todo KEY`, an object
    under `out` that lists numbers of shards as JSON, and `--index N`, which of them.
    """

    name: str
    out: str
    work: Work
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Everything an engine may be made of; None where it decides.

    `address` is where a cluster listens, `workers` how many shards are worked on at a time, `most`
    up to how many machines may come, each for at most `usd_per_h`: without a price, more than any
    limit. `cpus` and `gpus` are what one worker uses. `region` and `profile` are those of a cloud's
    account.
    """

    settings: Settings
    reporter: Reporter = field(default_factory=Reporter)
    clouds: Clouds = Cloud.connected
    environment: Mapping[str, str] = field(default_factory=dict)
    address: str | None = None
    workers: int | None = None
    cpus: int | None = None
    gpus: int | None = None
    most: int | None = None
    is_spot: bool = False
    usd_per_h: float = math.inf
    region: str | None = None
    profile: str | None = None


class EngineSession(Protocol):
    """An engine that is up."""

    @property
    def workers(self) -> int:
        """How many shards it works on at a time, now."""

    def run(self, job: Job, shards: Iterable[Shard], stop: Stop) -> Generator[Outcome]:
        """What became of each shard, in order of completion. `shards` may still be growing while it
        is read; not many more are taken than are worked on.

        What a shard's process dies of is tried again as often as is usual for the engine, and then
        an Outcome with an error. When `stop` is asked no shard is begun; where the engine goes on
        without this process (`EngineTraits.survives`) the generator ends.

        Raises:
            OffloadError: the engine is gone, or refuses.
        """


class Engine(Protocol):
    """One way to have shards worked on."""

    name: str

    def open(self) -> AbstractContextManager[EngineSession]:
        """Bring it up or connect to it; what was brought up goes when the context ends.

        Raises:
            PlaceUnavailable: nothing answers there.
            UsageError: its workers have another version of offload or of the engine.
        """


class LastingEngine(Engine, Protocol):
    """One whose jobs go on without this process (`EngineTraits.survives`); `name` is a Job's."""

    def status(self, name: str) -> Iterator[str]:
        """A line for each job that has not ended, and why it waits."""

    def logs(self, name: str) -> Iterator[str]:
        """Every line that the workers of a batch logged."""

    def cancel(self, name: str) -> int:
        """End all jobs of a batch; how many there were."""


@runtime_checkable
class Billed(Protocol):
    """A session of an engine that knows what it costs."""

    def spent_usd(self) -> float:
        """What this run has cost so far, with what is still coming up or cannot end at once."""


@dataclass(frozen=True, slots=True)
class EngineTraits:
    """What an engine is. The defaults are the careful ones: images leave this machine and money
    flows. `survives` says that a job goes on when this process ends; `options` are the fields of
    EngineConfig that do something.
    """

    name: str
    summary: str
    leaves_machine: bool = True
    bills: bool = True
    survives: bool = False
    options: frozenset[str] = frozenset()
