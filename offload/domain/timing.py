"""Durations of one image and what they add up to. All in seconds of one monotonic clock."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

from offload.domain.typed import Seconds

Clock = Callable[[], float]
"""A monotonic clock: seconds since an arbitrary moment."""

_RENAMED = {"turn_s": "upload_wait_s"}


@dataclass(frozen=True, slots=True)
class Durations:
    """Where one image's seconds went, in the order of its way: reading, preparing what is sent,
    waiting for its turn on the uplink, sending it; then, where the detector is: starting what it
    runs in, where that is done for this image, waiting for a free one, decoding, inference; and
    receiving the answer. What a place does not do takes it 0 s.
    """

    read_s: Seconds = 0.0
    prepare_s: Seconds = 0.0
    upload_wait_s: Seconds = 0.0
    upload_s: Seconds = 0.0
    init_s: Seconds = 0.0
    queue_s: Seconds = 0.0
    decode_s: Seconds = 0.0
    infer_s: Seconds = 0.0
    download_s: Seconds = 0.0

    @property
    def there_s(self) -> float:
        """What it kept busy where the detector is."""
        return self.init_s + self.queue_s + self.decode_s + self.infer_s

    @property
    def total_s(self) -> float:
        """From when the image was taken until its answer was there."""
        return float(sum(astuple(self)))


def with_new_names(document: Mapping[str, Any]) -> dict[str, Any]:
    """What documents of schema version 1 call otherwise, by its name of now."""
    return {_RENAMED.get(name, name): value for name, value in {**document}.items()}


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean, median and 95th percentile of a sample, in the sample's unit."""

    mean: float
    median: float
    p95: float


def spread(values: Sequence[float]) -> Spread | None:
    """Summarise `values`; None for an empty sample."""
    if not values:
        return None
    ordered = sorted(values)
    return Spread(sum(ordered) / len(ordered), quantile(ordered, 0.5), quantile(ordered, 0.95))


def quantile(ordered: Sequence[float], share: float) -> float:
    """The `share` quantile of a sorted sample, interpolated linearly between order statistics
    (type 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", 1996).
    """
    position = share * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (position - low) * (ordered[high] - ordered[low])
