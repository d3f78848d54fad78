"""What client and server say to each other: paths, headers and documents."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from offload.domain.ports import ModelIdentity
from offload.domain.results import SCHEMA, Json, detections_from_json, detections_to_json
from offload.domain.timing import Durations
from offload.domain.vision import Detections, Selection

DETECT, PROBE, INFO = "/v1/detect", "/v1/probe", "/v1/info"
LIVE, READY, METRICS = "/livez", "/readyz", "/metrics"

MOST_PROBE_BYTES = 4 * 2**20
"""What a probe may ask a server to send."""

SERVICE = "offload"
PROBLEM_TYPE = "application/problem+json"
_PROBLEMS = "urn:offload:problem:"
TOO_MANY_PIXELS = _PROBLEMS + "image-too-large"
TOO_MANY_BYTES = _PROBLEMS + "body-too-large"
NO_PICTURE = _PROBLEMS + "image-unusable"
TIMINGS = ("recv", "queue", "decode", "infer")
"""What a server times of an image, each in seconds of its own monotonic clock."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer for one image; `recv_s` is how long its bytes took to come in."""

    found: Detections
    recv_s: float
    model_sha256: str

    def to_json(self) -> Json:
        """The answer as JSON types."""
        return {
            "schema": SCHEMA,
            "model_sha256": self.model_sha256,
            "width": self.found.width,
            "height": self.found.height,
            "detections": detections_to_json(self.found.found),
            "durations": {f"{name}_s": seconds for name, seconds in self._timings()},
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Answer":
        """Read back what `to_json` made.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        durations = {name: float(seconds) for name, seconds in document["durations"].items()}
        recv_s = durations.pop("recv_s")
        found = detections_from_json(document["detections"])
        size = int(document["width"]), int(document["height"])
        return cls(
            Detections(found, *size, Durations(**durations)), recv_s, document["model_sha256"]
        )

    def server_timing(self) -> str:
        """The value of a Server-Timing header (W3C Server Timing): milliseconds each."""
        return ", ".join(f"{name};dur={seconds * 1000:.3f}" for name, seconds in self._timings())

    def _timings(self) -> list[tuple[str, float]]:
        d = self.found.durations
        values = (self.recv_s, d.queue_s, d.decode_s, d.infer_s)
        return [(name, round(value, 6)) for name, value in zip(TIMINGS, values, strict=True)]


@dataclass(frozen=True, slots=True)
class Info:
    """What a server says of itself: version, model, slots, limits, machine, how it came up.

    `startup` holds `load_s`, `warm_up_s` and `service_s`, the seconds that one image keeps a slot
    busy while all of them are.
    """

    version: str
    identity: ModelIdentity
    labels: Mapping[int, str]
    min_score: float
    workers: int
    threads: int
    queue: int
    max_bytes: int
    max_pixels: int
    machine: Mapping[str, Any]
    startup: Mapping[str, float]

    def to_json(self) -> Json:
        """The document as JSON types."""
        names = ("min_score", *_COUNTS, "machine", "startup")
        document = {name: getattr(self, name) for name in names}
        labels = {str(key): name for key, name in self.labels.items()}
        head = {"service": SERVICE, "version": self.version, "model": asdict(self.identity)}
        return head | {"labels": labels} | document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Info":
        """Read back what `to_json` made.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        if document["service"] != SERVICE:
            raise ValueError(document["service"])
        return cls(
            version=str(document["version"]),
            identity=ModelIdentity(**document["model"]),
            labels={int(key): str(name) for key, name in document["labels"].items()},
            min_score=float(document["min_score"]),
            machine=dict(document["machine"]),
            startup={name: _seconds(document["startup"][name]) for name in STARTUP},
            **{name: int(document[name]) for name in _COUNTS},
        )


_COUNTS = ("workers", "threads", "queue", "max_bytes", "max_pixels")
STARTUP = ("load_s", "warm_up_s", "service_s")


def _seconds(value: Any) -> float:
    seconds = float(value)
    if not 0 <= seconds < float("inf"):
        raise ValueError(value)
    return seconds


def query(selection: Selection, max_pixels: int) -> dict[str, Any]:
    """A request's wishes as the query of `DETECT`."""
    return {
        "min_score": selection.min_score,
        "class": sorted(selection.classes),
        "max_detections": selection.max_detections,
        "iou": selection.max_iou,
        "max_pixels": max_pixels,
    }
