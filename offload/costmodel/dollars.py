"""Dollars that a job costs where machines are rented by the second."""

from dataclasses import dataclass

import numpy as np

from offload.costmodel.fleet import IDLE_S
from offload.costmodel.split import AnyCandidate, SplitCandidate
from offload.costmodel.terms import Candidate, Draws
from offload.domain import prices
from offload.domain.places import StartState

DISK_GB = 8
ANSWER_BYTES = 2000
"""What an answer weighs on the wire, about; it only counts beyond the free gigabytes."""
_HOURS_PER_MONTH = 730
_HALF_OF_A_UNIT_S = 0.0005


@dataclass(frozen=True, slots=True)
class Billing:
    """What a remote machine costs: `usd_per_h` of the instance alone, 0 for one that nobody bills.

    `how` says who named the price, `as_of` when. A machine that was started for the job stays for
    `idle_s` after it. A price that is `assumed` is that of a machine yet to be rented, not of a
    server that was measured. `calls` is what those of a function cost, which no hour adds to.
    """

    usd_per_h: float = 0.0
    how: str = "no price given: a machine of your own"
    as_of: str | None = None
    idle_s: float = 0.0
    assumed: bool = False
    disk_gb: int = DISK_GB
    disk_usd_per_gb_month: float = prices.DISK_USD_PER_GB_MONTH
    calls: prices.CallPrice | None = None

    def parts_usd_per_h(self) -> dict[str, float]:
        """What an hour consists of. A machine that nobody bills has no billed address either."""
        if not self.usd_per_h:
            return {"instance": 0.0}
        disk = self.disk_gb * self.disk_usd_per_gb_month / _HOURS_PER_MONTH
        return {"instance": self.usd_per_h, "IPv4": prices.IPV4_USD_PER_H, "disk": disk}

    @property
    def all_usd_per_h(self) -> float:
        """What an hour costs, address and disk included."""
        return sum(self.parts_usd_per_h().values())

    @property
    def stopped_usd_per_month(self) -> float:
        """What a month costs in which the machine is stopped."""
        return self.parts_usd_per_h().get("disk", 0.0) * _HOURS_PER_MONTH


def cost_usd(way: AnyCandidate, makespan_s: Draws, images: int, billing: Billing) -> Draws:
    """What the job adds to the bill, one number per draw; nothing where nothing is rented.

    A machine that runs costs the seconds that it is kept busy. One that is started for the job
    costs at least a minute, all of its start and its idle tail. The seconds before it runs are not
    billed by EC2, but counted here. Of a split, `makespan_s` is until its remote place is done, and
    `images` are those it gets; it has no idle tail, as it lets go of its machine by itself.
    Machines of a fleet cost until they have waited for more images. So do an engine's workers,
    whose rows stay in a store.
    """
    lane, idle_s = way, billing.idle_s
    if isinstance(way, SplitCandidate):
        lane, idle_s = way.remote, 0.0
    assert isinstance(lane, Candidate)
    if lane.traits.by_call:
        return _calls_usd(lane, images, billing)
    if lane.traits.on_demand:
        billed_s = makespan_s + IDLE_S
        return billed_s * lane.usd_per_h / 3600 + _egress_usd(images) * lane.traits.uses_link
    own = billing.assumed and lane.state in {"warm", "cold"} and lane.key
    if own or not (lane.traits.leaves_machine or lane.traits.rented):
        return np.zeros_like(makespan_s)
    billed_s = makespan_s
    if lane.state in {StartState.STOPPED, StartState.ABSENT}:
        billed_s = np.maximum(prices.MINIMUM_BILLED_S, makespan_s + idle_s)
    hourly = billing.all_usd_per_h
    return billed_s * hourly / 3600 + _egress_usd(images) * (hourly > 0)


def _calls_usd(lane: Candidate, images: int, billing: Billing) -> Draws:
    """What calls add to the bill: each, the seconds that it works (whole milliseconds, so half of
    one is added), the start of each environment, and S3 where images are too large for a call.
    """
    calls = billing.calls
    if calls is None:
        return np.zeros_like(lane.service_s.draws)
    busy_s = images * (lane.service_s.draws + _HALF_OF_A_UNIT_S)
    if lane.init_s is not None:
        busy_s = busy_s + min(images, lane.slots) * lane.init_s
    staged = images * (lane.sent_bytes.draws > prices.MOST_CALL_BYTES) * prices.STAGED_USD
    return images * calls.usd_per_call + busy_s * calls.usd_per_s + staged + _egress_usd(images)


def _egress_usd(images: int) -> float:
    return max(0, images * ANSWER_BYTES - prices.EGRESS_FREE_BYTES) / 1e9 * prices.EGRESS_USD_PER_GB
