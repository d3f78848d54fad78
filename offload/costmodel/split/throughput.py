"""A job over this process and a remote place at once, each taking images as fast as it can.

Divisible load theory (Bharadwaj, Ghose and Mani 1994), for two places the intersection of lines
that Qilin looks for (Luk, Hong and Kim, MICRO 2009): places that take A + b n for n images end
together, at

    T* = (N + sum A/b) / (sum 1/b),   n = (T* - A)/b

summed over those that get any of the N images; a place that is not ready by then gets none. A is
what the first image takes less b, and b what one more does. While both work, from the later A on,
a place takes phi longer: T + phi max(0, T - max A) for what it would be done with at T.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from offload.costmodel.makespan import job_s, one_image_s, per_image_s
from offload.costmodel.terms import HIGH, LOW, Candidate, Draws, Term


@dataclass(frozen=True, slots=True)
class Contention:
    """By how much longer an image takes at either place while the other works too, as a share."""

    local: Term
    remote: Term


@dataclass(frozen=True, slots=True)
class Count:
    """How many images a place gets; 90 % are within `low` and `high`."""

    images: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Shares:
    """How a split job comes out, one number per draw: seconds to the last result; images that each
    place gets, and seconds until it is done with them, 0 without any. The remote place may get
    `at_most` so many.
    """

    seconds: Draws
    local: Draws
    remote: Draws
    local_s: Draws
    remote_s: Draws
    at_most: int | None = None

    @property
    def counts(self) -> tuple[Count, Count]:
        """The images of this process, and of the other place."""
        low, middle, high = (int(q) for q in np.quantile(self.local, (LOW, 0.5, HIGH)).round())
        total = int(self.local[0] + self.remote[0])
        return Count(middle, low, high), Count(total - middle, total - high, total - low)


def expected(
    local: Candidate,
    remote: Candidate,
    images: int,
    total_bytes: float | None,
    contention: Contention,
    at_most: int | None = None,
) -> Shares:
    """How `images`, at least one, that weigh `total_bytes` (None: as those measured) come out, of
    which `remote` may get `at_most`.

    Shares are rounded both ways, and those kept with which the last result comes earlier.
    """
    image_bytes = None if total_bytes is None else total_bytes / max(1, images)
    lanes = local, remote
    slowed = np.stack([contention.local.draws, contention.remote.draws])
    each_s = np.stack([np.maximum(per_image_s(lane, image_bytes), 1e-12) for lane in lanes])
    start_s = np.stack([job_s(lane, 1, image_bytes) for lane in lanes]) - each_s
    both_s = np.maximum(0, start_s.max(axis=0))
    late_s = start_s - slowed * (both_s - start_s)
    _, there = ending_together(late_s, each_s * (1 + slowed), images)
    there = np.clip(there, 0, images if at_most is None else min(at_most, images))

    def alone_s(lane: Candidate, count: Draws) -> Draws:
        return np.where(count > 0, job_s(lane, np.maximum(count, 1), image_bytes), 0.0)

    def rounded(how: Callable[[Draws], Draws]) -> Draws:
        counts = np.stack([images - how(there), how(there)])
        ends_s = np.stack([alone_s(*each) for each in zip(lanes, counts, strict=True)])
        # The place that is done first was held up to its end, the other one for as long.
        first_s = (ends_s + slowed * np.maximum(0, ends_s - both_s)).min(axis=0)
        ends_s += slowed / (1 + slowed) * np.maximum(0, first_s - both_s)
        return np.stack([ends_s.max(axis=0), *counts, *ends_s])

    down, up = rounded(np.floor), rounded(np.ceil)
    seconds, here, away, here_s, away_s = np.where(down[0] <= up[0], down, up)
    return Shares(seconds, here, away, here_s, away_s, at_most)


def ending_together(start_s: Draws, each_s: Draws, images: float) -> Draws:
    """The images that each place gets for all to end at once, where n images take a place `start_s`
    + n `each_s`; these and the result are [places, draws].
    """
    active = np.ones(start_s.shape, bool)
    for _ in start_s:
        rates = active / each_s
        end_s = (images + (rates * start_s).sum(axis=0)) / rates.sum(axis=0)
        shares: Draws = np.where(active, (end_s - start_s) / each_s, 0.0)
        active = shares > 0
    return shares


@dataclass(frozen=True, slots=True)
class Speed:
    """What is expected of a place that works: its rate, and what an image takes from being taken
    to its answer.
    """

    images_per_s: float
    latency_s: float


def speed(lane: Candidate, image_bytes: float | None = None, slowed: Term | None = None) -> Speed:
    """Medians; `slowed` by contention, if anything else works meanwhile."""
    longer = 1.0 if slowed is None else 1 + slowed.draws
    rate = 1 / np.median(per_image_s(lane, image_bytes) * longer)
    return Speed(float(rate), float(np.median(one_image_s(lane, image_bytes) * longer)))
