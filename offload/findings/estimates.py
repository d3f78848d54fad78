"""Medians of few runs, and the confidence in them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from offload.costmodel.terms import HIGH, LOW, Draws

RESAMPLES = 2000
CLEAR = 0.9
"""A difference is one if this share of resamples has it."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The median of `n` values; `low` and `high` hold 90 % of the medians of resamples of them.
    A single value has no interval: it equals both.
    """

    value: float
    low: float
    high: float
    n: int

    @property
    def interval(self) -> tuple[float, float] | None:
        """None where one value tells nothing of chance."""
        return (self.low, self.high) if self.n > 1 else None


def draws(values: Sequence[float]) -> Draws:
    """Medians of resamples (Efron's bootstrap, 1979); equal for equal values, in any order."""
    array = np.sort(np.asarray(values, float))
    rng = np.random.default_rng(hash(tuple(array.tolist())) & 0xFFFFFFFF)
    medians: Draws = np.median(rng.choice(array, (RESAMPLES, len(array))), axis=1)
    return medians


def estimate(values: Sequence[float]) -> Estimate | None:
    """The median of `values` with its interval; None of nothing."""
    return of_draws(float(np.median(values)), draws(values), len(values)) if values else None


def of_draws(value: float, drawn: Draws, n: int) -> Estimate:
    """A value computed from medians, with the interval that the same gives of their draws."""
    if not len(drawn):
        return Estimate(value, value, value, n)
    low, high = np.quantile(drawn, (LOW, HIGH))
    return Estimate(value, min(value, float(low)), max(value, float(high)), n)


def chance_less(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Share of resamples with the smaller median in `one`, ties half; None of a single value."""
    if min(len(one), len(other)) < 2:  # noqa: PLR2004 - a single value says nothing of chance
        return None
    difference = draws(one) - draws(other)
    return float((difference < 0).mean() + (difference == 0).mean() / 2)


def surely_less(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether the median of `one` is the smaller one in nine resamples of ten; with a single value
    of either, whether all of `one` are smaller than all of `other`. Nothing is not.
    """
    if not (one and other):
        return False
    chance = chance_less(one, other)
    return max(one) < min(other) if chance is None else chance >= CLEAR
