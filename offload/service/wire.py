"""What client and server say to each other: paths, headers and documents."""

from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass, fields, replace
from typing import Any, Literal

from offload.domain.ports import ModelIdentity
from offload.domain.timing import Durations
from offload.domain.typed import Count, Id, Name, Positive, Seconds, Share
from offload.domain.vision import Box, Detection, Detections, Selection

DETECT, PROBE, INFO = "/v1/detect", "/v1/probe", "/v1/info"
LIVE, READY, METRICS = "/livez", "/readyz", "/metrics"

MOST_PROBE_BYTES = 4 * 2**20
"""What a probe may ask a server to send."""

PROBLEM_TYPE = "application/problem+json"
_PROBLEMS = "urn:offload:problem:"
TOO_MANY_PIXELS = _PROBLEMS + "image-too-large"
TOO_MANY_BYTES = _PROBLEMS + "body-too-large"
NO_PICTURE = _PROBLEMS + "image-unusable"


@dataclass(frozen=True, slots=True)
class Found:
    """One object: its class, its score in 0..1, its `box` as ymin, xmin, ymax, xmax, which are
    shares of the upright picture.
    """

    label: Name
    id: Id
    score: Share
    box: Box

    def __post_init__(self) -> None:
        if self.box.ymin > self.box.ymax or self.box.xmin > self.box.xmax:
            raise ValueError("the edges of a box are the wrong way round")


@dataclass(frozen=True, slots=True)
class ServerDurations:
    """What a server times of an image: receiving its bytes, waiting for a slot, decoding,
    inference; each in seconds of its own monotonic clock.
    """

    recv_s: Seconds
    queue_s: Seconds
    decode_s: Seconds
    infer_s: Seconds


TIMINGS = tuple(field.name.removesuffix("_s") for field in fields(ServerDurations))


@dataclass(frozen=True, slots=True)
class Answer:
    """An image's objects, best first, and where the seconds went."""

    schema: Literal[2]
    model_sha256: Name
    width: Positive
    height: Positive
    detections: tuple[Found, ...]
    durations: ServerDurations

    @classmethod
    def of(cls, found: Detections, recv_s: float, model_sha256: str) -> "Answer":
        """What was found in an image whose bytes took `recv_s` to come in."""
        d = found.durations
        seconds = (recv_s, d.queue_s, d.decode_s, d.infer_s)
        durations = ServerDurations(*(round(value, 6) for value in seconds))
        objects = tuple(Found(*each) for each in found.found)
        return cls(2, model_sha256, found.width, found.height, objects, durations)

    def detected(self, size: tuple[int, int] | None, sent_bytes: int, way: Durations) -> Detections:
        """What a client gives: with the upright `size` of the picture if a copy of another was
        sent, and all durations. `way` has those of the client; of its `upload_s` what happened
        where the detector is is no part.
        """
        theirs = self.durations
        busy_s = way.init_s + theirs.queue_s + theirs.decode_s + theirs.infer_s
        durations = replace(
            way,
            upload_s=max(0.0, way.upload_s - busy_s),
            queue_s=theirs.queue_s,
            decode_s=theirs.decode_s,
            infer_s=theirs.infer_s,
        )
        width, height = size or (self.width, self.height)
        found = tuple(Detection(d.label, d.id, d.score, d.box) for d in self.detections)
        return Detections(found, width, height, durations, sent_bytes)

    def server_timing(self) -> str:
        """The value of a Server-Timing header (W3C Server Timing): milliseconds each."""
        values = zip(TIMINGS, astuple(self.durations), strict=True)
        return ", ".join(f"{name};dur={seconds * 1000:.3f}" for name, seconds in values)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a client reads of a problem document: of what kind, and the sentence."""

    type: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What is asked of an image, where it is named in a document: `min_score` None is the model's
    own, `max_pixels` None that of whoever detects.
    """

    min_score: Share | None = None
    classes: tuple[Name, ...] = ()
    max_detections: Positive = Selection().max_detections
    max_iou: Share = Selection().max_iou
    max_pixels: Positive | None = None

    @classmethod
    def of(cls, selection: Selection, max_pixels: int | None) -> dict[str, Any]:
        """The fields that ask for a selection."""
        classes = tuple(sorted(selection.classes))
        return asdict(selection) | {"classes": classes, "max_pixels": max_pixels}

    def selection(self, min_score: float) -> Selection:
        """Which detections to keep; `min_score` where none is said."""
        return Selection(
            min_score=min_score if self.min_score is None else self.min_score,
            classes=frozenset(name.strip().lower() for name in self.classes),
            max_detections=self.max_detections,
            max_iou=self.max_iou,
        )


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a server of any version says of itself."""

    service: Literal["offload"]
    version: Name


@dataclass(frozen=True, slots=True)
class Probed:
    """What came in, and how long it took from the request's headers to its last byte."""

    bytes: Count
    recv_s: Seconds


@dataclass(frozen=True, slots=True)
class Startup:
    """How a server came up: loading and warming its model, and the seconds that one image keeps a
    slot busy while all of them are.
    """

    load_s: Seconds
    warm_up_s: Seconds
    service_s: Seconds


@dataclass(frozen=True, slots=True)
class Info:
    """What a server says of itself: version, model, slots, limits, machine, how it came up."""

    service: Literal["offload"]
    version: Name
    model: ModelIdentity
    labels: Mapping[Id, Name]
    min_score: Share
    workers: Positive
    threads: Positive
    queue: Count
    max_bytes: Positive
    max_pixels: Positive
    machine: Mapping[Name, Name | Count | None]
    startup: Startup

    @property
    def identity(self) -> ModelIdentity:
        """Which weights answer, as `domain.ports.Model` calls it."""
        return self.model
