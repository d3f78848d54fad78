"""Estimators that a few bad samples do not move, and how sure they are."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

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


def outliers(values: Sequence[float]) -> int:
    """How many samples lie far above the others, by their median absolute deviation (Iglewicz and
    Hoaglin 1993, the threshold wider).
    """
    if len(values) < 5:  # noqa: PLR2004 - too few to tell
        return 0
    array = np.asarray(values, float)
    median = float(np.median(array))
    spread = _MAD_TO_SD * float(np.median(np.abs(array - median)))
    # Timings that hardly vary would call a scheduler's tick an outlier.
    spread = max(spread, 0.02 * median)
    return int((array - median > _OUTLYING * spread / _MAD_TO_SD).sum())


def drift(values: Sequence[float]) -> float:
    """The last quarter's median over the first quarter's, less one; 0 with too few to tell."""
    quarter = len(values) // 4
    if quarter < 4:  # noqa: PLR2004 - too few to tell
        return 0.0
    first, last = float(np.median(values[:quarter])), float(np.median(values[-quarter:]))
    return last / first - 1 if first > 0 else 0.0


def gaps(finished_s: Sequence[float], skip: int) -> list[float]:
    """Seconds between consecutive completions, in order, but for those of the first `skip`, which
    fill the pipeline.
    """
    ordered = sorted(finished_s)[skip:]
    return [later - earlier for earlier, later in pairwise(ordered)]
