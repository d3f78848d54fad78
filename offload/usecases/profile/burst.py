"""A stretch of the job itself, as long as it takes to know its speed; what was unusual about it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

from offload.costmodel import statistics
from offload.domain.measurements import ImageSample, Probe
from offload.domain.vision import Detection

_PRECISE = 0.03
"""Half the 95 % interval of the mean gap between completions, over the mean, that is enough."""
_SMALLEST_BLOCK = 5
_DRIFT = 0.1
_NOTICEABLE_S = {"inference": 1e-3, "round trip": 5e-3}
"""What differs by less is no doubt, however many times it is the usual: a scheduler's tick."""


@dataclass(slots=True)
class Burst:
    """What became of the images so far: samples of those that were detected, what was found in
    them, and why others failed. The first `in_flight` samples are warm-up.
    """

    slots: int
    in_flight: int
    samples: list[ImageSample] = field(default_factory=list)
    found: dict[str, tuple[Detection, ...]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def drain_s(self) -> float:
        """What the images in progress will still take."""
        if len(self.samples) < 2:  # noqa: PLR2004 - a rate takes two
            return 0.0
        first, last = self.samples[0].finished_s, self.samples[-1].finished_s
        return self.in_flight * (last - first) / (len(self.samples) - 1)

    @property
    def precise(self) -> bool:
        """Whether more images would hardly tell more; looked at once a block."""
        block = max(self.slots, _SMALLEST_BLOCK)
        if len(self.samples) % block:
            return False
        finished_s = [image.finished_s for image in self.samples]
        between_s = statistics.gaps(finished_s, skip=self.in_flight)
        return statistics.relative_half_width(between_s, block) <= _PRECISE


def sample_warnings(
    images: Sequence[ImageSample], probes: Sequence[Probe], in_flight: int
) -> Iterator[str]:
    """A sentence with advice for each thing that makes samples doubtful; the first `in_flight`
    images are warm-up.
    """
    infer_s = [image.durations.infer_s for image in images[in_flight:]]
    if slow := statistics.outliers(infer_s, _NOTICEABLE_S["inference"]):
        yield (
            f"{slow} of {len(infer_s)} inferences took far longer than the others: something else "
            "may have been running there; close it and profile again."
        )
    drift = statistics.drift(infer_s)
    if abs(drift) > _DRIFT and abs(drift) * median(infer_s) > _NOTICEABLE_S["inference"]:
        word = "slower" if drift > 0 else "faster"
        yield (
            f"Inference became {abs(drift):.0%} {word} while it was measured: the processor may "
            "have been warming up or slowing down; profile again with a longer --budget."
        )
    trips_s = [probe.seconds for probe in probes if probe.kind == "rtt"]
    if statistics.outliers(trips_s, _NOTICEABLE_S["round trip"]):
        yield (
            f"Round trips took from {min(trips_s) * 1000:.0f} to {max(trips_s) * 1000:.0f} ms: the "
            "link is unsteady; profile again, or use a cable."
        )
