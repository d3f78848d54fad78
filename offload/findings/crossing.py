"""The number of images from which on another place is faster, as measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from operator import itemgetter

import numpy as np

from offload.costmodel.terms import Draws
from offload.findings import estimates
from offload.findings.estimates import Estimate, draws
from offload.findings.study import TOTAL, Study, Variant


@dataclass(frozen=True, slots=True)
class Crossing:
    """Of two lanes the one that is faster with `most` images by a column of seconds, and the other.

    `clear_from` is the number of images, of those that were run, from which on the faster one is so
    beyond chance; None if not even with `most`. `unclear` is the largest number with which neither
    is, `ahead` the largest with which one is, and which one. `images` is where they change places,
    if the slower one is ahead beyond chance somewhere below: where the lines between the measured
    medians last cross, no later than with `after` images.
    """

    slow: Variant
    fast: Variant
    least: int
    most: int
    clear_from: int | None
    unclear: int | None
    ahead: tuple[int, Variant] | None
    images: Estimate | None
    after: int
    column: str


def between(study: Study, one: Variant, other: Variant, column: str = TOTAL) -> Crossing | None:
    """Where two lanes cross in a column of seconds; None where they do not share two numbers of
    images.
    """
    first, second = study.series(one), study.series(other)
    both = set(first) & set(second)
    numbers = sorted(n for n in both if first[n].values(column) and second[n].values(column))
    if len(numbers) < 2:  # noqa: PLR2004 - a single number has nothing beside it
        return None
    seconds = [(first[n].values(column), second[n].values(column)) for n in numbers]
    medians = np.array([[np.median(one_s) - np.median(other_s) for one_s, other_s in seconds]])
    drawn = np.stack([draws(one_s) - draws(other_s) for one_s, other_s in seconds], axis=1)
    root = float(_last_roots(medians, numbers)[0])
    slow, fast = (other, one) if medians[0, -1] < 0 else (one, other)
    ahead, behind = study.series(fast), study.series(slow)
    clear = [ahead[n].is_faster(behind[n], column) for n in numbers]
    lost = [behind[n].is_faster(ahead[n], column) for n in numbers]
    each = list(zip(numbers, clear, lost, strict=True))
    after = next((n for n in numbers if n >= root), numbers[0])
    roots = _last_roots(drawn, numbers)
    crosses = clear[-1] and any(lost) and np.isfinite(root)
    runs = min(len(series[n].runs) for series in (first, second) for n in numbers)
    return Crossing(
        slow=slow,
        fast=fast,
        least=numbers[0],
        most=numbers[-1],
        clear_from=min((n for n, *_ in takewhile(itemgetter(1), each[::-1])), default=None),
        unclear=max((n for n, c, x in each if not (c or x)), default=None),
        ahead=max(((n, fast if c else slow) for n, c, x in each if c or x), default=None),
        images=estimates.of_draws(root, roots[np.isfinite(roots)], runs) if crosses else None,
        after=after,
        column=column,
    )


def _last_roots(gaps: Draws, numbers: Sequence[int]) -> Draws:
    """Where each row of gaps last changes its sign, linearly between `numbers`; nan where never."""
    found = np.full(len(gaps), np.nan)
    for left, (few, many) in enumerate(pairwise(numbers)):
        low, high = gaps[:, left], gaps[:, left + 1]
        share = np.divide(low, low - high, out=np.zeros_like(low), where=low != high)
        found = np.where((low < 0) != (high < 0), few + share * (many - few), found)
    return found
