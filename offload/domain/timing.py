"""Durations of one image and what they add up to. All in seconds of one monotonic clock."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Clock = Callable[[], float]
"""A monotonic clock: seconds since an arbitrary moment."""

RENAMED = {"turn_s": "upload_wait_s"}
"""Names of durations in documents of schema version 1 -> names now."""


@dataclass(frozen=True, slots=True)
class Durations:
    """Where one image's seconds went, in the order of its way.

    Reading, preparing what is sent, waiting for its turn on the uplink, sending it; then, where the
    detector is: waiting for a free one, decoding, inference; and receiving the answer. What a place
    does not do takes it 0 s.
    """

    read_s: float = 0.0
    prepare_s: float = 0.0
    upload_wait_s: float = 0.0
    upload_s: float = 0.0
    queue_s: float = 0.0
    decode_s: float = 0.0
    infer_s: float = 0.0
    download_s: float = 0.0

    @classmethod
    def from_json(cls, document: Mapping[str, float]) -> "Durations":
        """Read durations of this schema version or of version 1, which named `upload_wait_s`
        otherwise.

        Raises:
            TypeError: it is something else.
        """
        return cls(**{RENAMED.get(name, name): seconds for name, seconds in {**document}.items()})


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean, median and 95th percentile of a sample, in the sample's unit."""

    mean: float
    median: float
    p95: float


def spread(values: Sequence[float]) -> Spread | None:
    """Summarise `values`; None for an empty sample.

    Percentiles interpolate linearly between order statistics
    (type 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", 1996).
    """
    if not values:
        return None
    ordered = sorted(values)
    return Spread(sum(ordered) / len(ordered), quantile(ordered, 0.5), quantile(ordered, 0.95))


def quantile(ordered: Sequence[float], share: float) -> float:
    """The `share` quantile of a sorted sample, interpolated linearly."""
    position = share * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (position - low) * (ordered[high] - ordered[low])
