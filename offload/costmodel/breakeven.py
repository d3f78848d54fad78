"""Where the answer flips: the numbers at which two lanes take the same time."""

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from offload.costmodel.decide import Goal, Option
from offload.costmodel.dollars import Billing
from offload.costmodel.makespan import makespan_s, per_image_s
from offload.costmodel.split import AnyCandidate
from offload.costmodel.terms import DRAWS, HIGH, LOW, Candidate, Draws, Term

MOST_IMAGES = 1_000_000
_ALONG = {
    "uplink": ("goodput", "bytes/s", (1e3, 1.25e9), "above"),
    "image size": ("sent_bytes", "bytes", (1e3, 1e9), "below"),
}
"""A quantity -> its term, unit, between what it is looked for, and where the other is faster."""
_STEPS = 20


@dataclass(frozen=True, slots=True)
class BreakEven:
    """The value of one quantity from which on `other` is faster than `base`.

    `faster` tells on which side of it: `above` or `below`. None for `value` means that no value
    makes them equal. The interval holds 90 % of those draws that have one; `never` is the share of
    draws without.
    """

    quantity: str
    unit: str
    base: str
    other: str
    value: float | None
    low: float | None
    high: float | None
    never: float
    faster: str


def images(base: Candidate, other: Candidate, mean_bytes: float | None) -> BreakEven:
    """The number of images from which on `other` is faster, or up to which."""
    count = first_crossing(base, other, mean_bytes)
    # Steps left out, so that each draw has one crossing at most.
    start_s = makespan_s(other, 1, mean_bytes) - makespan_s(base, 1, mean_bytes)
    slope_s = per_image_s(other, mean_bytes) - per_image_s(base, mean_bytes)
    values = _roots(lambda numbers: start_s + (numbers - 1) * slope_s, 1.0, float(MOST_IMAGES))
    small = _median_s(other, 1, mean_bytes) > _median_s(base, 1, mean_bytes)
    return _point("images", "", base, other, count, values, "above" if small else "below")


def is_true_of(
    flip: BreakEven, base: Candidate, other: Candidate, number: int, mean_bytes: float | None
) -> bool:
    """Whether what a number of images says of the job's own is what the medians say of that: lanes
    may cross more than once.
    """
    if flip.value is None:
        return True
    is_faster = _median_s(other, number, mean_bytes) < _median_s(base, number, mean_bytes)
    return is_faster == ((number >= flip.value) == (flip.faster == "above"))


def first_crossing(base: Candidate, other: Candidate, mean_bytes: float | None) -> int | None:
    """The first number of images whose median order differs from that for one image, up to a
    million; None if there is none. Exact to 64 images; beyond, by doubling and bisection, one where
    they meet: rounds may let them change places a little earlier.
    """

    def ahead(number: int) -> bool:
        return _median_s(other, number, mean_bytes) < _median_s(base, number, mean_bytes)

    at_first = ahead(1)
    low = 1
    while low < MOST_IMAGES:
        high = low + 1 if low < 64 else min(2 * low, MOST_IMAGES)  # noqa: PLR2004 - says the docstring
        if ahead(high) != at_first:
            numbers = range(low + 1, high)
            return low + 1 + bisect_left(numbers, True, key=lambda n: ahead(n) != at_first)
        low = high
    return None


def _median_s(lane: Candidate, number: int, mean_bytes: float | None) -> float:
    total = None if mean_bytes is None else number * mean_bytes
    return float(np.median(makespan_s(lane, number, total)))


def along(quantity: str, base: Candidate, other: Candidate, goal: Goal) -> BreakEven:
    """The `uplink` in bytes per second from which on, or the `image size` in bytes up to which
    `other`, which sends images, is faster.
    """
    term, unit, ends, faster = _ALONG[quantity]
    base_s = makespan_s(base, goal.images, goal.total_bytes)
    total_bytes = None if term == "sent_bytes" else goal.total_bytes

    def difference(values: Draws) -> Draws:
        lane = other.with_terms(**{term: Term(values, "given")})
        return makespan_s(lane, goal.images, total_bytes) - base_s

    def middle(value: Draws) -> Draws:
        return np.array([np.median(difference(np.full(DRAWS, value)))])

    [central] = _roots(middle, *ends, count=1)
    value = float(central) if np.isfinite(central) else None
    return _point(quantity, unit, base, other, value, _roots(difference, *ends), faster)


def value_of_hour(base: Option, other: Option) -> BreakEven:
    """What an hour must be worth for the faster of two to pay, in dollars: v* = 3600 ($_faster -
    $_slower) / (T_slower - T_faster).
    """
    gain_s = base.draws_s - other.draws_s
    extra_usd = other.draws_usd - base.draws_usd
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.where((gain_s > 0) & (extra_usd >= 0), 3600 * extra_usd / gain_s, np.nan)
    gain, extra = base.seconds - other.seconds, other.usd - base.usd
    central = 3600 * extra / gain if gain > 0 and extra >= 0 else None
    return _point("value of an hour", "usd", base.lane, other.lane, central, values, "above")


def price(base: Option, other: Option, billing: Billing, value_usd_per_h: float) -> BreakEven:
    """The price of `other`'s machine per hour up to which it pays, an hour being worth so much."""
    gain_usd = (base.draws_s - other.draws_s) * value_usd_per_h / 3600 + base.draws_usd
    hourly_usd = billing.all_usd_per_h
    with np.errstate(divide="ignore", invalid="ignore"):
        whole = hourly_usd * gain_usd / other.draws_usd
    # What is rented beside the instance costs the same whatever that costs.
    values = whole - (hourly_usd - billing.usd_per_h)
    values = np.where((values > 0) & (other.draws_usd > 0), values, np.nan)
    known = values[np.isfinite(values)]
    central = float(np.median(known)) if len(known) * 2 > len(values) else None
    return _point("price", "usd/h", base.lane, other.lane, central, values, "below")


def _roots(
    function: Callable[[Draws], Draws], low: float, high: float, count: int = DRAWS
) -> Draws:
    """Each of `count` roots by bisection of logarithms, not a number where there is none."""
    lows, highs = np.full(count, low), np.full(count, high)
    at_low = function(lows) > 0
    crosses = (function(highs) > 0) != at_low
    for _ in range(_STEPS):
        middles = np.sqrt(lows * highs)
        same = (function(middles) > 0) == at_low
        lows, highs = np.where(same, middles, lows), np.where(same, highs, middles)
    return np.where(crosses, np.sqrt(lows * highs), np.nan)


def _point(
    quantity: str, unit: str, base: AnyCandidate, other: AnyCandidate, value: float | None,
    values: Draws, faster: str,
) -> BreakEven:  # fmt: skip
    known = values[np.isfinite(values)]
    low, high = np.quantile(known, (LOW, HIGH)) if len(known) else (None, None)
    return BreakEven(
        quantity, unit, base.name, other.name, value,
        None if low is None else min(float(low), value or math.inf),
        None if high is None else max(float(high), value or -math.inf),
        float(1 - np.isfinite(values).mean()), faster,
    )  # fmt: skip
