"""A fleet: machines that come for the images in a queue, as many as the job is worth, and go."""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from statistics import fmean
from typing import Any, Protocol

from offload.costmodel.fleet import S_PER_IMAGE_AND_CORE, START_S, Bounds, Pace
from offload.domain.errors import OffloadError, PlaceUnavailable
from offload.domain.machines import IMAGES, FleetInfo
from offload.domain.measurements import Measurement, StartPhase
from offload.domain.places import PlaceTraits, StartState
from offload.domain.ports import Model
from offload.domain.vision import Detections, Image, Selection
from offload.drivers.aws.fleet import asking, objects
from offload.drivers.aws.fleet.group import AutoScalingGroup
from offload.drivers.aws.fleet.parts import called, marks
from offload.drivers.aws.fleet.queues import SqsQueues
from offload.providers.config import PlaceConfig
from offload.service.client.greeting import expect
from offload.service.queued.asking import Asker
from offload.service.queued.crew import Crew
from offload.service.queued.ports import MachineGroup, ObjectStore, Queue
from offload.version import __version__

TRAITS = PlaceTraits(
    "fleet",
    title="the fleet",
    phrase="on a fleet",
    has_own_model=True,
    on_demand=True,
    has_prior=False,
    can_serve=True,
    start_states=(StartState.WARM, StartState.COLD),
    options=frozenset({
        "concurrency", "timeout_s", "max_retries", "fallback", "upload_max_side",
        "upload_quality", "strip_metadata", "deadline_s", "max_cost_usd",
    }),
    simplicity=5,
)  # fmt: skip

_MOST_THREADS = 256
_PER_SLOT, _LEAST_IN_FLIGHT = 4, 16
"""Images in flight for each that is worked on: while one is, another waits in the queue, and two
are on their way there or back.
"""


class AnswerQueues(Protocol):
    """Queues by their URLs, of which this job makes one."""

    def __call__(self, url: str) -> Queue:
        """The queue of a URL."""

    def made(self, name: str, tags: Mapping[str, str]) -> Queue:
        """A new one."""

    def remove(self, queue: Any) -> None:
        """Delete it."""


@dataclass(frozen=True, slots=True)
class Ends:
    """What lies between a fleet and whoever asks it."""

    info: FleetInfo
    store: ObjectStore
    queues: AnswerQueues
    group: MachineGroup


def make(config: PlaceConfig) -> "FleetPlace":
    """The fleet that the settings name, which has a model of its own."""

    def connect() -> Ends:
        clients, region = asking.connected(connections=2 * _MOST_THREADS)
        store = objects.store_of(clients, config.fleet, region)
        info = objects.read_info(store)
        group = AutoScalingGroup(clients, called(config.fleet))
        return Ends(info, store, SqsQueues(clients("sqs")), group)

    return FleetPlace(config, connect)


@dataclass
class FleetPlace:
    """A fleet that somebody provisioned; `connect` gives what lies between."""

    config: PlaceConfig
    connect: Callable[[], Ends]
    name: str = TRAITS.name

    @cached_property
    def ends(self) -> Ends:
        """What lies between, if its workers understand us.

        Raises:
            PlaceUnavailable: there is no such fleet, or it is of another version.
        """
        ends = self.connect()
        if ends.info.version != __version__:
            raise PlaceUnavailable(
                f"The fleet {self.config.fleet} runs offload {ends.info.version}, this is offload "
                f"{__version__}: their answers may differ.",
                hint=f"To bring it up to date: {self._provision}",
            )
        return ends

    @property
    def _provision(self) -> str:
        return f"offload provision fleet --name {self.config.fleet}"

    @property
    def model(self) -> Model:
        """The one it has, which must be what was asked for, if anything was.

        Raises:
            PlaceUnavailable: there is no such fleet, or it has another.
        """
        info, config = self.ends.info, self.config
        if config.asked:
            hint = f"To bring up one that fits: {self._provision}"
            expect(info, config.here() or config.asked, f"The fleet {info.name}", hint)
        return info

    @contextmanager
    def open(self, selection: Selection, images: int) -> Iterator["FleetSession"]:
        """Machines are asked for, and come while images are put already.

        Raises:
            PlaceUnavailable: it is gone, or one machine is more than may be spent.
        """
        model, config, ends = self.model, self.config, self.ends
        info, job = ends.info, secrets.token_hex(8)
        title = f"{called(info.name)}-answers-{job}"
        asker = Asker(
            ends.store, ends.queues(info.queue_url),
            lambda: ends.queues.made(title, marks(info.name)), job, model.identity,
            config.clock, config.upload, config.link.max_retries,
        )  # fmt: skip
        try:
            limits = Bounds(config.deadline_s, config.max_cost_usd)
            pace = pace_of(info, config.measured(model.identity, self.name))
            crew = Crew(
                info, ends.group, asker, images, pace, limits, config.link.timeout_s, config.clock,
                config.reporter, datetime.now(UTC),
            )  # fmt: skip
            with asker.gathering():
                crew.begin()
                with crew.looking():
                    yield FleetSession(config, ends, asker, crew, selection)
        finally:
            with suppress(OffloadError):  # one that is left behind goes with the fleet
                ends.queues.remove(asker.answers)


def pace_of(info: FleetInfo, measured: Sequence[Measurement]) -> Pace:
    """What a machine of a fleet is like, as far as that was measured at the like of it."""
    alike = [m for m in measured if m.condition.host.get("name") == _hardware(info)]
    newest = max((m for m in alike if m.images), key=lambda m: m.taken_at, default=None)
    each_s = S_PER_IMAGE_AND_CORE
    if newest:
        each_s = fmean(i.durations.decode_s + i.durations.infer_s for i in newest.images)
    starts_s = [
        start.phases[StartPhase.MACHINES]
        for m in alike
        for start in m.starts
        if StartPhase.MACHINES in start.phases
    ]
    start_s = fmean(starts_s) if starts_s else START_S
    return Pace(info.vcpus / max(each_s, 1e-3), start_s, info.usd_per_h)


def _hardware(info: FleetInfo) -> str:
    return f"{info.instance_types[0]} in {info.region}"


class FleetSession:
    """A fleet that answers, for several threads."""

    def __init__(
        self, config: PlaceConfig, ends: Ends, asker: Asker, crew: Crew, selection: Selection
    ) -> None:
        info = ends.info
        self.model = info.identity
        self.labels = info.labels
        self.host = {
            "name": _hardware(info),
            "usable_cores": info.vcpus,
            "region": info.region,
            "usd_per_h": info.usd_per_h,
        }
        self._config, self._store = config, ends.store
        self._asker, self._crew = asker, crew
        self._selection = selection
        self._probe_key = f"{IMAGES}{asker.job}/probe"

    @property
    def slots(self) -> int:
        """How many images its machines work on at a time."""
        return self._crew.slots

    @property
    def concurrency(self) -> int:
        """As many as keep all machines busy that were asked for."""
        usual = max(_LEAST_IN_FLIGHT, _PER_SLOT * self._crew.planned)
        return min(self._config.link.concurrency or usual, _MOST_THREADS)

    @property
    def phases(self) -> Mapping[str, float]:
        """How long the first machine took, where none was there."""
        came_s = self._crew.came_s
        return {} if came_s is None else {StartPhase.MACHINES: came_s}

    def detect(self, image: Image) -> Detections:
        """Send the image, and wait for its answer.

        Raises:
            ImageError: it cannot be used, or no answer comes, or Refused: it was given up.
            PlaceUnavailable: the fleet is gone, or what may be spent is.
        """
        return self.ask(image).result()

    def ask(
        self, image: Image, selection: Selection | None = None, max_pixels: int | None = None
    ) -> Future[Detections]:
        """Send the image; its detections once they are known. Errors are those of `detect`."""
        most_px = max_pixels or self._config.max_pixels
        return self._asker.ask(image, selection or self._selection, most_px)

    def probe(self, payload: bytes) -> float:
        """Seconds that an object of those bytes takes to the bucket."""
        began_s = self._config.clock()
        self._store.put(self._probe_key, payload)
        return self._config.clock() - began_s

    def probe_down(self, size_bytes: int) -> float:
        """Seconds that an object of so many bytes takes from it."""
        self._store.put(self._probe_key, secrets.token_bytes(size_bytes))
        began_s = self._config.clock()
        self._store.get(self._probe_key, size_bytes)
        return self._config.clock() - began_s
