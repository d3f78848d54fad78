"""What places are made of. Each takes what it needs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from offload.detectors.source import ModelSource
from offload.domain.events import Reporter
from offload.domain.ports import Detector
from offload.domain.timing import Clock
from offload.providers import Endpoint
from offload.service.client.greeting import Address
from offload.service.client.upload import Upload


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """How a server is talked to.

    `concurrency` None means as many requests in flight as hide the latency. `timeout_s` is how
    long an attempt may make no progress, `max_retries` how many follow the first.
    """

    url: str | None = None
    token: str | None = field(default=None, repr=False)
    concurrency: int | None = None
    timeout_s: float = 60.0
    max_retries: int = 5
    upload: Upload = field(default_factory=Upload)

    def address(self, of: Endpoint) -> Address:
        """A server, and how to talk to it."""
        return Address(
            of.url,
            of.token or self.token,
            self.concurrency,
            self.timeout_s,
            self.max_retries,
            of.hint,
            of.dial,
        )


KEPT = "1"
"""What a container is kept as for whoever wants its like."""


@dataclass(frozen=True, slots=True)
class ContainerOptions:
    """The container: its image, its share of this machine, what it is kept as when the job is done,
    and how many of them there are.

    `image` None means ours, built if it is not there; `keep` None that it goes.
    """

    image: str | None = None
    cpus: float | None = None
    memory: str | None = None
    keep: str | None = None
    replicas: int = 1


@dataclass(frozen=True, slots=True)
class PlaceConfig:
    """Everything a place may be made of.

    `asked` is the model the user named, if any; `labels` the file of its class names. `resolve`
    gives a named model or the default, fetched if need be, and `here` the one asked for if it is on
    this disk; `cache` is the folder of models that were fetched. `load` makes detectors: (model,
    how many, threads of each). `workers` and `threads` None leave both to the machine. `endpoint`
    is a server that is up already.
    """

    asked: str | None
    labels: str | None
    resolve: Callable[[str | None], ModelSource]
    here: Callable[[], ModelSource | None]
    cache: str
    load: Callable[[ModelSource, int, int], Sequence[Detector]]
    max_pixels: int
    clock: Clock
    cores: int
    workers: int | None = None
    threads: int | None = None
    link: LinkOptions = field(default_factory=LinkOptions)
    container: ContainerOptions = field(default_factory=ContainerOptions)
    endpoint: Endpoint | None = None
    reporter: Reporter = field(default_factory=Reporter)
