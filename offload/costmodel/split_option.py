"""The option to split a job: its dollars, what a budget leaves of it, whether it gains enough."""

from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from offload.costmodel.decide import Goal, Option, expectation, summed
from offload.costmodel.dollars import Billing, cost_usd
from offload.costmodel.makespan import makespan_s
from offload.costmodel.split import Shares, SplitCandidate, contention
from offload.costmodel.terms import Candidate, Draws
from offload.domain.measurements import Measurement
from offload.domain.places import StartState

WORTH = 1.05
"""The best single place must take this many times as long: two places are two that may fail."""


def split(
    ways: Sequence[Candidate],
    measurements: Sequence[Measurement],
    goal: Goal,
    others: Collection[str] = (),
) -> SplitCandidate | None:
    """This process and the fastest of the `others` at once, where none is named of those elsewhere;
    None where either may not be chosen. A batch is shared by its engine.
    """

    def seconds(lane: Candidate) -> float:
        return float(np.median(makespan_s(lane, goal.images, goal.total_bytes)))

    usable = [lane for lane in ways if lane.choosable and not lane.shards]
    here = next((lane for lane in usable if lane.traits.in_process), None)
    rest = [lane for lane in usable if lane is not here]
    beside = [x for x in rest if (x.place in others if others else x.traits.leaves_machine)]
    if here is None or not beside:
        return None
    there = min(beside, key=seconds)
    return SplitCandidate(here, there, contention(measurements, here, there))


def joint(
    way: SplitCandidate,
    singles: Sequence[Option],
    goal: Goal,
    billing: Billing,
    errors: Sequence[float],
) -> Option:
    """The split as an option beside those of `singles`, within the budget; it may be chosen if it
    gives work to both and gains enough.
    """
    way = replace(way, at_most=_affordable(way, goal, billing))
    shares = way.shares(goal.images, goal.total_bytes)
    found = summed(
        way, shares.seconds, bill_usd(way, shares, billing), binding(way, shares), goal, errors
    )
    shared = min(np.median(shares.local), np.median(shares.remote)) > 0
    way = replace(way, choosable=bool(shared) and _pays(found, singles, goal))
    return replace(found, lane=way, shares=shares)


def bill_usd(way: SplitCandidate, shares: Shares, billing: Billing) -> Draws:
    """Dollars until the remote place is done. A machine that is started for the job is paid for
    though the job may be over before it is ready.
    """
    asked = way.state in {StartState.STOPPED, StartState.ABSENT} and way.at_most != 0
    held_s = np.where(shares.remote > 0, shares.remote_s, shares.seconds * asked)
    usd = cost_usd(way, held_s, round(float(np.median(shares.remote))), billing)
    return np.where(held_s > 0, usd, 0.0)


def binding(way: SplitCandidate, shares: Shares) -> str:
    """The place that the last images wait for: `both`, unless one of them gets none or no more."""
    there = float(np.median(shares.remote))
    if there == 0 or (way.at_most is not None and there >= way.at_most):
        return way.local.place
    return "both" if np.median(shares.local) else way.remote.place


def _affordable(way: SplitCandidate, goal: Goal, billing: Billing) -> int | None:
    """The most images that the budget lets the remote place do; None if it does not limit them."""
    limit_usd = goal.max_cost_usd
    if limit_usd is None:
        return None

    def is_within(number: int) -> bool:
        capped = replace(way, at_most=number)
        shares = capped.shares(goal.images, goal.total_bytes)
        return expectation(bill_usd(capped, shares, billing), goal) <= limit_usd

    if is_within(goal.images):
        return None
    numbers = range(1, goal.images)
    return bisect_left(numbers, True, key=lambda number: not is_within(number))


def _pays(found: Option, singles: Sequence[Option], goal: Goal) -> bool:
    """Whether it is enough faster than every single place that keeps the limits as well."""
    rivals = [o for o in singles if o.lane.choosable and o.keeps_limits >= found.keeps_limits]
    bearable_s = WORTH * expectation(found.draws_s, goal)
    return all(expectation(rival.draws_s, goal) > bearable_s for rival in rivals)
