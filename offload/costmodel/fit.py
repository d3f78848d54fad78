"""From raw samples to terms: what measurements of one condition say of each, as draws.

Uncertainty comes from resampling: occasions first, then within each the completions, in blocks,
because neighbours in a pipeline depend on each other (a hierarchical block bootstrap; Kalibera and
Jones, ISMM 2013, Künsch 1989).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from offload.costmodel.statistics import theil_sen
from offload.costmodel.terms import DRAWS, Draws, Term
from offload.domain.measurements import ImageSample, Measurement

MEANS = ("service_s", "prepare_s", "sent_bytes", "download_s")
"""What `Steady` has means of."""
_FEWEST_GAPS = 4
_MOST_OCCASIONS = 5
"""Of each sort only so many are looked at, as older ones say little of today."""
SUBSTANTIAL = 10
"""Images that make an occasion more than a glimpse."""
_FULL_WEIGHT = 50
"""Samples with which an occasion weighs as much as any other."""

Values = Callable[[Measurement], Draws | None]
"""The draws of a term for one occasion, None where it does not say."""
Samples = Callable[[Measurement], int]
"""How many samples those rest on."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Measurements of one condition, newest first, with what resampling them needs."""

    measurements: Sequence[Measurement]
    rng: np.random.Generator

    @classmethod
    def of(cls, measurements: Sequence[Measurement], rng: np.random.Generator) -> "Pool":
        """Those back to where the link changed."""
        newest = sorted(measurements, key=lambda m: m.taken_at, reverse=True)
        return cls(_since_change(newest), rng)

    def term(self, values: Values, samples: Samples = lambda m: len(m.images)) -> Term | None:
        """The term that `values` gives the draws of for one occasion; None where none says."""
        said = [(m, v) for m in self.measurements if (v := values(m)) is not None]
        if not said:
            return None
        long = [each for each in said if len(each[0].images) >= SUBSTANTIAL]
        short = [each for each in said if len(each[0].images) < SUBSTANTIAL]
        said = long[:_MOST_OCCASIONS] + short[:_MOST_OCCASIONS]
        table = np.stack([draws for _, draws in said])
        counts = [samples(m) for m, _ in said]
        if len(said) > 1:
            weights = np.array([min(count, _FULL_WEIGHT) for count in counts], float)
            share = weights / weights.sum()
            chosen = self.rng.choice(len(said), size=(len(said), DRAWS), p=share)
            draws = np.take_along_axis(table, chosen, axis=0).mean(axis=0)
        else:
            draws = table[0]
        return Term(draws, "measured", sum(counts), max(m.taken_at for m, _ in said))


def _since_change(newest: Sequence[Measurement]) -> Sequence[Measurement]:
    """Without those before the latest change of the link: two occasions in a row that lie outside
    of what 99 % of the older ones would (Wolski et al. 2008 forget what was before a change).
    """
    slopes = [theil_sen(*_uploads(m))[0] for m in newest]
    known = [(i, np.log(1 / slope)) for i, slope in enumerate(slopes) if slope > 0]
    for first in range(len(known) - 3):  # two against at least two older ones
        (_, one), (last, two), *older = known[first:]
        old = [rate for _, rate in older]
        reach = 2.58 * max(float(np.std(old)), 0.05)
        off = one - np.mean(old), two - np.mean(old)
        if min(map(abs, off)) > reach and off[0] * off[1] > 0:
            return newest[: last + 1]
    return newest


@dataclass(frozen=True, slots=True)
class Steady:
    """The completions of one occasion once the pipeline was full, one draw per resampling.

    `gap_s` is the time from one completion to the next, None where the pipeline was never full for
    long; the others are means over the images that completed. All resampled together, so that they
    vary together. `span_s` is when the last of all `images` completed.
    """

    service_s: Draws
    prepare_s: Draws
    sent_bytes: Draws
    download_s: Draws
    gap_s: Draws | None
    service_cv: float
    bytes_cv: float
    span_s: float
    images: int


def steady(
    measurement: Measurement, rng: np.random.Generator, *, in_process: bool = False
) -> Steady | None:
    """What the images of one occasion say; None where there were none.

    The first completions, as many as were in flight, fill the pipeline and are left out where
    enough others remain.
    """
    images = sorted(measurement.images, key=lambda image: image.number)
    if not images:
        return None
    later_on = [image for image in images if image.number > measurement.in_flight]
    # Those in flight at first arrive in a bunch: they say how long they took together, and no more.
    full = len(later_on) > max(_FEWEST_GAPS, measurement.in_flight)
    use = later_on[1:] if full else images
    columns = np.array([_stages(image, in_process) for image in use])
    if full:
        gaps = [
            (later.finished_s - earlier.finished_s) / (later.number - earlier.number)
            for earlier, later in pairwise(later_on)
        ]
        columns = np.column_stack([columns, gaps])
    block = max(1, min(len(columns) // 4, max(measurement.condition.slots, 5)))
    means = _block_means(columns, block, rng)
    deviation = columns.std(axis=0) / np.maximum(columns.mean(axis=0), 1e-12)
    return Steady(
        **dict(zip(MEANS, means.T, strict=False)),
        gap_s=means[:, 4] if full else None,
        service_cv=float(deviation[0]),
        bytes_cv=float(deviation[2]),
        span_s=images[-1].finished_s,
        images=images[-1].number,
    )


def _stages(image: ImageSample, in_process: bool) -> tuple[float, float, float, float]:
    """Seconds of service and of preparing, bytes sent, and seconds of the answer."""
    d = image.durations
    here_s, before_s = (d.read_s, 0.0) if in_process else (0.0, d.read_s + d.prepare_s)
    sent_bytes = image.sent_bytes or image.bytes
    return here_s + d.decode_s + d.infer_s, before_s, sent_bytes, d.download_s


def _block_means(columns: Draws, block: int, rng: np.random.Generator) -> Draws:
    """Column means over circular blocks of rows drawn with replacement: [DRAWS, columns]."""
    count = len(columns)
    wrapped = np.vstack([columns, columns[: block - 1]])
    totals = np.vstack([np.zeros(columns.shape[1]), wrapped.cumsum(axis=0)])
    sums = totals[block:] - totals[:-block]
    starts = rng.integers(count, size=(DRAWS, -(-count // block)))
    drawn: Draws = sums[starts].mean(axis=1) / block
    return drawn


def goodput(measurement: Measurement, rng: np.random.Generator) -> Draws | None:
    """Bytes per second up the link: one over the slope of seconds over bytes, by Theil-Sen on
    resampled probes. None with fewer than three sizes, or where larger payloads took no longer.
    """
    sizes, seconds = _uploads(measurement)
    point, _ = theil_sen(sizes, seconds)
    if len(set(sizes)) < 3 or point <= 0:  # noqa: PLR2004 - a line through two says nothing
        return None
    x, y = np.array(sizes, float), np.array(seconds)
    i, j = np.triu_indices(len(x), 1)
    drawn = rng.integers(len(x), size=(DRAWS, len(x)))
    dx, dy = x[drawn][:, j] - x[drawn][:, i], y[drawn][:, j] - y[drawn][:, i]
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = np.where(dx == 0, np.nan, dy / dx)
    slopes = np.sort(slopes, axis=1)  # what is no number comes last
    count = (dx != 0).sum(axis=1)
    rows = np.arange(DRAWS)
    medians = (slopes[rows, (count - 1) // 2] + slopes[rows, count // 2]) / 2
    return 1 / np.where((count > 0) & (medians > 0), medians, point)


def _uploads(measurement: Measurement) -> tuple[list[int], list[float]]:
    probes = [p for p in measurement.probes if p.kind == "up"]
    return [p.bytes for p in probes], [p.seconds for p in probes]


def medians(seconds: Sequence[float], rng: np.random.Generator) -> Draws | None:
    """Medians of resampled durations; None of none."""
    if not seconds:
        return None
    drawn = rng.integers(len(seconds), size=(DRAWS, len(seconds)))
    draws: Draws = np.median(np.array(seconds)[drawn], axis=1)
    return draws
