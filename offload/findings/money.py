"""Dollars against seconds."""

from collections.abc import Sequence
from dataclasses import dataclass

from offload.findings.estimates import Estimate
from offload.findings.study import Study, Variant


@dataclass(frozen=True, slots=True)
class CellCost:
    """What a lane's job took, in seconds and in dollars; `best` if none is both faster and no
    dearer, or cheaper and no slower (the Pareto front).
    """

    lane: Variant
    seconds: Estimate
    usd: Estimate
    best: bool


def bills(study: Study, among: Sequence[Variant], images: int) -> list[CellCost]:
    """The lanes' jobs of so many images, the fastest first; empty where nothing was billed."""
    known = [
        (lane, seconds, usd)
        for lane in among
        if (group := study.series(lane).get(images))
        and (seconds := group.estimate("makespan_s"))
        and (usd := group.estimate("usd"))
    ]
    if not any(usd.value > 0 for _, _, usd in known):
        return []
    points = {(seconds.value, usd.value) for _, seconds, usd in known}
    front = {p for p in points if not any(o[0] <= p[0] and o[1] <= p[1] for o in points - {p})}
    found = [CellCost(*each, (each[1].value, each[2].value) in front) for each in known]
    return sorted(found, key=lambda bill: (bill.seconds.value, bill.usd.value))


def worth_usd_per_h(fast: CellCost, cheap: CellCost) -> float | None:
    """What an hour of waiting must be worth for the faster and dearer of two jobs to pay."""
    saved_s = cheap.seconds.value - fast.seconds.value
    extra_usd = fast.usd.value - cheap.usd.value
    return 3600 * extra_usd / saved_s if saved_s > 0 and extra_usd > 0 else None
