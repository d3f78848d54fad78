"""Estimators that a few bad samples do not move, and how sure they are; the line through jobs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from offload.costmodel.terms import Draws
from offload.domain.errors import UsageError
from offload.domain.measurements import Total

_MAD_TO_SD = 1.4826
"""Standard deviation over median absolute deviation, for a normal distribution."""
_OUTLYING = 14.8
"""Modified z-score beyond which a sample is outlying: ten standard deviations, as a rare event of a
benign distribution is not."""


def theil_sen(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Slope and intercept of y over x: the median slope of all pairs of different x, and the median
    of what that leaves (Theil 1950, Sen 1968). Both are 0 without two different x.
    """
    xs, ys = np.asarray(x, float), np.asarray(y, float)
    i, j = np.triu_indices(len(xs), 1)
    apart = xs[i] != xs[j]
    if not apart.any():
        return 0.0, 0.0
    slope = float(np.median((ys[j] - ys[i])[apart] / (xs[j] - xs[i])[apart]))
    return slope, float(np.median(ys - slope * xs))


def relative_half_width(values: Sequence[float], block: int = 1) -> float:
    """Half the width of the mean's 95 % interval over the mean; infinite below four blocks.

    Consecutive samples of a pipeline depend on each other, so means of `block` of them are taken
    for samples.
    """
    count = len(values) // block
    if count < 4:  # noqa: PLR2004 - with fewer, the spread itself is a guess
        return math.inf
    means = np.asarray(values[: count * block], float).reshape(count, block).mean(axis=1)
    mean = float(means.mean())
    return math.inf if mean <= 0 else float(1.96 * means.std(ddof=1) / math.sqrt(count) / mean)


def outliers(values: Sequence[float], least: float = 0.0) -> int:
    """How many samples lie far above the others, by their median absolute deviation (Iglewicz and
    Hoaglin 1993, the threshold wider), and by more than `least`.
    """
    if len(values) < 5:  # noqa: PLR2004 - too few to tell
        return 0
    array = np.asarray(values, float)
    median = float(np.median(array))
    spread = _MAD_TO_SD * float(np.median(np.abs(array - median)))
    # Timings that hardly vary would call a scheduler's tick an outlier.
    spread = max(spread, 0.02 * median)
    return int((array - median > max(least, _OUTLYING * spread / _MAD_TO_SD)).sum())


def drift(values: Sequence[float]) -> float:
    """The last quarter's median over the first quarter's, less one; 0 with too few to tell."""
    quarter = len(values) // 4
    if quarter < 4:  # noqa: PLR2004 - too few to tell
        return 0.0
    first, last = float(np.median(values[:quarter])), float(np.median(values[-quarter:]))
    return last / first - 1 if first > 0 else 0.0


def gaps(finished_s: Sequence[float], skip: int) -> list[float]:
    """Seconds between consecutive completions after the first `skip`, which fill the pipeline."""
    return [float(gap) for gap in np.diff(sorted(finished_s)[skip:])]


@dataclass(frozen=True, slots=True)
class LineFit:
    """A line through runs of one place: `startup_s + per_image_s * images + per_byte_s * bytes`.

    `errors` has for each run what the line through all the others says too much (negative: too
    little), over the seconds it took. A single run has no error.
    """

    startup_s: float
    per_image_s: float
    per_byte_s: float
    errors: tuple[float, ...] = ()

    def total_s(self, images: float, payload_bytes: float = 0.0) -> float:
        """The seconds that a run takes by this line."""
        return self.startup_s + self.per_image_s * images + self.per_byte_s * payload_bytes

    @property
    def median_error(self) -> float | None:
        """The median of the errors without their signs; None where there is none."""
        return float(np.median(np.abs(self.errors))) if self.errors else None


def line_through(jobs: Sequence[Total]) -> LineFit:
    """The line without negative coefficients that is nearest to `jobs`: least squares of what it
    misses over each one's total.

    Execution is fitted on images and transfer on bytes, as the table tells one from the other; from
    the totals they could not be told where all images are about as large. Where the number of
    images does not vary, there is no start-up.

    Raises:
        UsageError: there is no run.
    """
    if not jobs:
        raise UsageError("There is no run to fit.")
    table = np.array(
        [(job.images, job.bytes or 0.0, job.execution_s, job.transfer_s) for job in jobs], float
    )
    if len(jobs) == 1:
        return _line(table)
    others = [_line(np.delete(table, row, axis=0)) for row in range(len(jobs))]
    errors = [
        line.total_s(job.images, job.bytes or 0.0) / job.total_s - 1
        for line, job in zip(others, jobs, strict=True)
    ]
    return replace(_line(table), errors=tuple(errors))


def _line(table: Draws) -> LineFit:
    """Of rows of images, bytes, seconds of execution and of transfer."""
    weights = 1 / table[:, 2:].sum(axis=1)
    images, payload_bytes, execution_s, transfer_s = table.T * weights
    per_image_s, startup_s = _nnls(np.column_stack([images, weights]), execution_s)
    (per_byte_s,) = _nnls(payload_bytes[:, None], transfer_s)
    return LineFit(startup_s, per_image_s, per_byte_s)


def _nnls(columns: Draws, target: Draws) -> list[float]:
    """Non-negative least squares (Lawson and Hanson 1974, chapter 23). Its solution is that of
    plain least squares on some of the columns, and so few columns allow to try every choice; of
    choices that are as good as each other, the first with the fewest columns is taken.
    """
    scale = np.maximum(np.linalg.norm(columns, axis=0), np.finfo(float).tiny)
    best, least = np.zeros(len(scale)), float(target @ target)
    same = 1e-12 * least
    for size in range(1, len(scale) + 1):
        for chosen in map(list, combinations(range(len(scale)), size)):
            part = columns[:, chosen] / scale[chosen]
            found, _, rank, _ = np.linalg.lstsq(part, target, rcond=None)
            missed = float(((target - part @ found) ** 2).sum())
            if rank == size and (found >= 0).all() and missed < least - same:
                best, least = np.zeros(len(scale)), missed
                best[chosen] = found / scale[chosen]
    return [float(value) for value in best]
