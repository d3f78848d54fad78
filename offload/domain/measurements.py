"""What was measured at one place on one occasion: raw samples and their condition."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

import numpy as np

from offload.domain.machines import Kind
from offload.domain.ports import ModelIdentity
from offload.domain.results import Row
from offload.domain.timing import Durations
from offload.domain.typed import Amount, Count, Positive, Seconds
from offload.domain.vision import Detection, iou

_SAME = 0.5
"""The overlap from which two boxes are one object (PASCAL VOC, Everingham et al. 2010)."""

Source = Literal["profile", "run", "import", "provision", "batch"]
ProbeKind = Literal["rtt", "up", "down"]


@dataclass(frozen=True, slots=True)
class Condition:
    """What a measurement depends on; measurements of equal conditions are pooled.

    `client` and `host` describe the machine that asks and the one that detects, as
    `drivers.machine` does. `url` is the server's address where one was given, or the label of the
    kind of `machine` that was rented; `network` is a fingerprint of the network the client was in.
    `upload_max_side_px` None means that files were sent as they are. `slots` is how many images the
    place works on at a time, `cpus` a container's limit. `beside` is the place that worked on the
    same job meanwhile.
    """

    model: ModelIdentity
    place: str
    client: Mapping[str, Any]
    host: Mapping[str, Any]
    slots: Positive
    url: str | None = None
    network: str | None = None
    upload_max_side_px: Positive | None = None
    upload_quality: int = 90
    strip_metadata: bool = False
    cpus: float | None = None
    beside: str | None = None
    machine: Kind | None = None

    def __post_init__(self) -> None:
        """Documents of before say which machine in its label only."""
        if self.machine is None and (kind := Kind.of(self.url)):
            object.__setattr__(self, "machine", kind)

    @property
    def key(self) -> str:
        """Equal for conditions under which the same is measured."""
        document = asdict(self) | {
            "model": self.model.sha256,
            "client": _hardware(self.client),
            # A server in a container calls itself something else after every start.
            "host": _hardware(self.host)[0 if self.url is None else 1 :],
        }
        del document["machine"]  # the URL says it
        if self.beside is None:  # as keys were before a job was split
            del document["beside"]
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]


def _hardware(machine: Mapping[str, Any]) -> list[Any]:
    return [machine.get(name) for name in ("name", "cpu", "usable_cores")]


class StartPhase(StrEnum):
    """What a place's start consists of. A rented machine is created, or switched on, and waited for
    until it runs, boots and its engine answers; it gets our image, and the container that serves.
    INIT is that of a function that had to start for its first call. Pods are applied, scheduled,
    pulled, started and ready. MACHINES is until one of a fleet's that had none answered.
    """

    API = "api"
    START = "start"
    PENDING = "pending"
    BOOT = "boot"
    ENGINE = "engine"
    BUILD = "build"
    IMAGE = "image"
    CONTAINER = "container"
    CREATE = "create"
    LOAD = "load"
    INIT = "init"
    WARM_UP = "warm-up"
    APPLIED = "applied"
    SCHEDULED = "scheduled"
    PULLED = "pulled"
    STARTED = "started"
    READY = "ready"
    MACHINES = "machines"


@dataclass(frozen=True, slots=True)
class Start:
    """A place brought up by a process of its own, for a job of `images` images.

    `startup_s` is from the process's first line to the place being ready, in `phases` as far as
    they are known; `first_s` from then to the first result, of an image that took `sent_bytes` on
    the wire.
    """

    images: Count
    startup_s: Seconds
    first_s: Seconds
    sent_bytes: Count = 0
    phases: Mapping[str, Seconds] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImageSample:
    """One image of a pipelined job: the `number`-th that was done, `finished_s` after its begin."""

    number: Positive
    finished_s: Seconds
    bytes: Count
    sent_bytes: Count
    durations: Durations


def sample(row: Row, number: int, finished_s: float) -> ImageSample:
    """What the row of an image that was detected tells of it."""
    return ImageSample(number, finished_s, row.bytes or 0, row.sent_bytes, row.durations)


@dataclass(frozen=True, slots=True)
class Probe:
    """A payload of random bytes that crossed the link: there (`up`), back (`down`), or none
    (`rtt`); a round trip is part of `seconds`.
    """

    kind: ProbeKind
    bytes: Count
    seconds: Seconds


@dataclass(frozen=True, slots=True)
class Agreement:
    """Detections of a smaller copy against those of the image itself: boxes of the same label with
    an IoU of at least 0.5 match, each once.
    """

    matched: Count
    only_full: Count
    only_smaller: Count


def agreement(full: Sequence[Detection], smaller: Sequence[Detection]) -> Agreement:
    """Match the smaller copy's objects, best score first, each with the free one of the same label
    in the image itself that overlaps it most.
    """
    free = list(full)
    matched = 0
    for found in sorted(smaller, key=lambda d: -d.score):
        rivals = [d for d in free if d.label == found.label]
        if not rivals:
            continue
        overlaps = iou(np.array(found.box), np.array([d.box for d in rivals]))
        best = int(overlaps.argmax())
        if overlaps[best] >= _SAME:
            free.remove(rivals[best])
            matched += 1
    return Agreement(matched, len(full) - matched, len(smaller) - matched)


def f1(agreements: Sequence[Agreement]) -> float | None:
    """The harmonic mean of precision and recall over all images; None without any object."""
    matched = 2 * sum(each.matched for each in agreements)
    missed = sum(each.only_full + each.only_smaller for each in agreements)
    return matched / (matched + missed) if matched + missed else None


@dataclass(frozen=True, slots=True)
class Total:
    """A whole job that somebody else timed."""

    images: Positive
    bytes: Amount | None
    transfer_s: Seconds
    execution_s: Seconds

    @property
    def total_s(self) -> float:
        """Transfer and execution."""
        return self.transfer_s + self.execution_s


@dataclass(frozen=True, slots=True)
class Measurement:
    """Everything measured at one place on one occasion.

    `taken_at` is UTC in ISO 8601. `in_flight` is the number of images in progress at a time;
    `folder_images` and `folder_bytes` what the samples were drawn from. `facts` are versions, load
    and whatever else explains a number later; `warnings` are what was unusual.

    With the source `provision` it is the start of a rented machine: its one entry in `starts` has
    the duration; `facts` say `from` which state (`new`, `stopped` or `cold`) and how its `image`
    got there (`present`, `built` or `streamed`). With the source `batch` its place is an engine,
    and `totals` are shards, each done by one of `in_flight` workers; `starts` say how long the
    first of them took to come.
    """

    taken_at: str
    source: Source
    condition: Condition
    in_flight: Positive
    folder_images: Count = 0
    folder_bytes: Count = 0
    starts: tuple[Start, ...] = ()
    images: tuple[ImageSample, ...] = ()
    probes: tuple[Probe, ...] = ()
    agreements: tuple[Agreement, ...] = ()
    totals: tuple[Total, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_utc(self.taken_at)

    @property
    def is_bring_up(self) -> bool:
        """Whether a machine was brought up; that says nothing of a job, nor of who asks for one."""
        return self.source == "provision"

    @property
    def is_of_a_place(self) -> bool:
        """Whether it tells what a place is like: no bring-up, no engine's shards, and nothing else
        worked meanwhile.
        """
        return self.source not in {"provision", "batch"} and self.condition.beside is None


@dataclass(frozen=True, slots=True)
class Outcome:
    """A prediction that was made before a job, and how the job went.

    `key` is the key of the job's condition; `place` is where it ran, and if a machine was brought
    up for it, what from. Seconds run from the command's first line to the last result; `low_s` and
    `high_s` hold 90 % of what was thought likely. Dollars are what the job added to the bill.
    `assumed` says that some of what the prediction rests on was never measured.
    """

    taken_at: str
    key: str
    place: str
    model: str
    images: Positive
    bytes: Count
    predicted_s: Seconds
    low_s: Seconds
    high_s: Seconds
    actual_s: Seconds
    predicted_usd: Amount = 0.0
    actual_usd: Amount = 0.0
    assumed: bool = False

    def __post_init__(self) -> None:
        _check_utc(self.taken_at)


def _check_utc(moment: str) -> None:
    if datetime.fromisoformat(moment).utcoffset() != timedelta(0):
        raise ValueError(f"{moment} is not a UTC time")
