"""Parts with known behaviour, as ordinary code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from offload.domain.errors import ImageError
from offload.domain.ports import ModelIdentity
from offload.domain.timing import Durations
from offload.domain.vision import (
    Box,
    Detection,
    Detections,
    Image,
    InputSpec,
    Pixels,
    RawDetections,
)

IDENTITY = ModelIdentity("fake", "none", "0" * 64)


@dataclass(frozen=True)
class FakeModel:
    """A model that nobody loads."""

    identity: ModelIdentity = IDENTITY
    labels: Mapping[int, str] = field(default_factory=lambda: {1: "brightness"})
    min_score: float = 0.25


MODEL = FakeModel()


@dataclass
class FakeSession:
    """A place that finds one dog in everything but what `bad` names."""

    bad: frozenset[str] = frozenset()
    concurrency: int = 2
    slots: int = 2
    model: ModelIdentity = IDENTITY
    labels: Mapping[int, str] = field(default_factory=lambda: {18: "dog"})
    host: Mapping[str, str] = field(default_factory=lambda: {"name": "nowhere"})
    phases: Mapping[str, float] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)

    def detect(self, image: Image) -> Detections:
        """One dog."""
        self.seen.append(image.path)
        if image.path in self.bad:
            raise ImageError("damaged image: truncated")
        dog = Detection("dog", 18, 0.9, Box(0.1, 0.2, 0.3, 0.4))
        return Detections((dog,), 640, 480, Durations(decode_s=0.002, infer_s=0.01))

    def probe(self, payload: bytes) -> float:
        """No link to measure."""
        del payload
        return 0.0

    def probe_down(self, size_bytes: int) -> float:
        """No link to measure."""
        del size_bytes
        return 0.0


@dataclass
class FakeDetector:
    """Answers with the mean of the pixels as score, so that answers tell pictures apart."""

    max_batch: int = 1
    input: InputSpec = field(default_factory=lambda: InputSpec(8, 8))
    labels: Mapping[int, str] = field(default_factory=lambda: {1: "brightness"})
    batches: list[int] = field(default_factory=list)

    def detect(self, batch: Sequence[Pixels]) -> list[RawDetections]:
        """One whole-picture box each."""
        self.batches.append(len(batch))
        box, one = np.array([[0, 0, 1, 1]], np.float32), np.array([1], np.int64)
        return [
            RawDetections(box, np.array([pixels.mean() / 255], np.float32), one) for pixels in batch
        ]
