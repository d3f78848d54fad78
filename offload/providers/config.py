"""What places are made of: servers that answer, and everything that is asked of one."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from offload.costmodel.dollars import Billing
from offload.detectors.catalogue import BUILTIN
from offload.detectors.labels import TABLES
from offload.detectors.source import ModelSource, on_disk
from offload.domain.events import Reporter
from offload.domain.machines import Kind
from offload.domain.measurements import Measurement, StartPhase
from offload.domain.ports import Detector, Dial, ModelIdentity
from offload.domain.timing import Clock
from offload.drivers.http import web
from offload.service.client.greeting import Address
from offload.service.client.session import Upload
from offload.service.wire import Startup

KEPT = "1"
"""What a container is kept as for whoever wants its like."""

INSIDE = "/model"
"""The container's folder of such files."""
_LABELS = "labels.txt"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server that answers.

    `dial` makes connections where the network alone does not lead there. `label` is what
    measurements at machines of its kind have in common, None where that is its address; `machine`
    is the kind of one that is rented. `notice` tells why the machine is about to be taken away, if
    it is. `phases` are the seconds of each phase of its start, and of all that were started with
    it. `hint` is what to type where it stops answering. `patience_s` is how long an image waits, as
    long as no server answers, for it or for another in its place; 0 where nobody brings one back.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    dial: Dial | None = field(default=None, repr=False)
    label: str | None = None
    billing: Billing = field(default_factory=Billing)
    notice: Callable[[], str | None] = lambda: None
    phases: Mapping[str, float] = field(default_factory=dict)
    machine: Kind | None = None
    hint: str = ""
    patience_s: float = 0.0


Endpoints = Iterable[Endpoint]
"""The servers that are ready now, in any order: a list, or where they come and go while a job runs,
what gives those of that moment each time it is iterated over.

It is iterated over four times a second in another thread, which must not wait nor raise: keep what
was last known while nobody knows better. There may be none, but for the first time. A server is
known by its `url`, which `dial` need not use; one that replaces another has another. It gets images
once its greeting is answered, with the model that is at work, and while it is lost it is greeted
again. One that is no longer among them gets no more images and finishes what it has in progress;
where it does not, others are asked.
"""


@dataclass(frozen=True, slots=True)
class ContainerOptions:
    """The container: its image, its share of this machine, what it is kept as when the job is done,
    and how many of them there are.

    `image` None means ours, built if it is not there; `keep` None that it goes; `replicas` None
    one, or as many as there are.
    """

    image: str | None = None
    cpus: float | None = None
    memory: str | None = None
    keep: str | None = None
    replicas: int | None = None


@dataclass(frozen=True, slots=True)
class PlaceConfig:
    """Everything a place may be made of.

    `asked` is the model the user named, if any; `labels` the file of its class names. `resolve`
    gives a named model or the default, fetched if need be, and `here` the one asked for if it is on
    this disk; `cache` is the folder of models that were fetched. `load` makes detectors: (model,
    how many, threads of each). `workers` and `threads` None leave both to the machine. `link` is
    how servers are talked to, and the one that the user names. `endpoint` is one that is up,
    `function` the name or ARN of one that is called, `deployment` the namespace and name of one,
    `fleet` the name of one. `deadline_s` and `max_cost_usd` are what its size is chosen by, and
    `measured` what is known of a place with a model.
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
    function: str = ""
    deployment: str = ""
    fleet: str = ""
    deadline_s: float | None = None
    max_cost_usd: float | None = None
    measured: Callable[[ModelIdentity, str], Sequence[Measurement]] = lambda _model, _place: ()
    reporter: Reporter = field(default_factory=Reporter)

    def address(self, of: Endpoint) -> Address:
        """A server that is up, and how to talk to it."""
        hint = of.hint or self.link.hint
        return replace(self.link, url=of.url, token=of.token, hint=hint, dial=of.dial)


@dataclass(slots=True)
class Phases:
    """Seconds of each phase of a start, in order; `follow` is told each when it begins."""

    clock: Clock
    follow: Callable[[StartPhase], None] = lambda _phase: None
    taken_s: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def of(self, phase: StartPhase) -> Iterator[None]:
        """Meanwhile it is that phase, again if it was before."""
        self.follow(phase)
        began_s = self.clock()
        try:
            yield
        finally:
            self.taken_s[phase] = self.taken_s.get(phase, 0.0) + self.clock() - began_s

    def of_server(self, startup: Startup) -> None:
        """Add what a server that was started says of itself."""
        self.taken_s[StartPhase.LOAD] = startup.load_s
        self.taken_s[StartPhase.WARM_UP] = startup.warm_up_s


@dataclass(frozen=True, slots=True)
class ServedFiles:
    """Their paths below `INSIDE` -> their paths here; `settings` and `options` of `offload serve`
    name them.
    """

    files: Mapping[str, str]
    settings: Mapping[str, str]
    options: tuple[str, ...] = ()


def served_files(
    model: ModelSource, asked: str | None, labels: str | None, cache: str
) -> ServedFiles:
    """What the model takes, which the user `asked` for by name or path; `labels` is a file of class
    names, `cache` the folder of fetched models, which are known by their names there too.
    """
    files: dict[str, str] = {}
    options: tuple[str, ...] = ()
    if labels is not None and labels in TABLES:
        options = ("--labels", labels)
    elif labels is not None:
        files[_LABELS] = os.path.abspath(labels)
        options = ("--labels", f"{INSIDE}/{_LABELS}")
    if model.identity.name == BUILTIN:
        return ServedFiles(files, {"OFFLOAD_MODEL": BUILTIN}, options)
    path, fetched = os.path.abspath(model.path), os.path.abspath(cache) + os.sep
    if path.startswith(fetched) and not (asked and on_disk(asked)):
        home = path.removeprefix(fetched).split(os.sep)[0]
        files[f"models/{home}"] = os.path.join(fetched, home)
        known_by = web.without_user(asked or model.identity.name)
        settings = {"OFFLOAD_MODEL": known_by, "OFFLOAD_CACHE": INSIDE}
        return ServedFiles(files, settings, options)
    name = os.path.basename(path)
    return ServedFiles(files | {name: path}, {"OFFLOAD_MODEL": f"{INSIDE}/{name}"}, options)
