"""What places are made of. Each takes what it needs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from offload.detectors.source import ModelSource
from offload.domain.events import Reporter
from offload.domain.ports import Detector
from offload.domain.timing import Clock
from offload.providers import Endpoint
from offload.service.client.greeting import Address
from offload.service.client.upload import Upload

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
    how many, threads of each). `workers` and `threads` None leave both to the machine. `link` is
    how servers are talked to, and the one that the user names. `endpoint` is one that is up.
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
    link: Address = field(default_factory=Address)
    upload: Upload = field(default_factory=Upload)
    container: ContainerOptions = field(default_factory=ContainerOptions)
    endpoint: Endpoint | None = None
    reporter: Reporter = field(default_factory=Reporter)

    def address(self, of: Endpoint) -> Address:
        """A server that is up, and how to talk to it."""
        token, hint = of.token or self.link.token, of.hint or self.link.hint
        return replace(self.link, url=of.url, token=token, hint=hint, dial=of.dial)
