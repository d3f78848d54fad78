"""How a split shares a job, in words."""

from collections.abc import Iterator

from offload.costmodel.advice import Advice
from offload.costmodel.decide import Option
from offload.costmodel.split import Count, SplitCandidate
from offload.domain.units import show_usd
from offload.render.words import between, count, spoken


def subject(name: str) -> str:
    """An option's name in the middle of a sentence; of a split `local and remote at once`."""
    _, _, both = name.rpartition("split: ")
    return spoken(name) if both == name else f"{spoken(both)} at once"


def share(option: Option) -> str:
    """`, about 70 of them here`; nothing of a single place."""
    if option.shares is None:
        return ""
    return f", about {option.shares.counts[0].images:,} of them here"


def lines(advice: Advice) -> Iterator[str]:
    """Images of each place of a split that may be chosen, what saving a second costs, and where
    the budget ends it.
    """
    option = advice.split
    if option is None or option.shares is None or not isinstance(option.lane, SplitCandidate):
        return
    local, remote = option.lane.local.place, option.lane.remote.place
    if option.lane.choosable:
        here, there = map(_images, option.shares.counts)
        yield f"Of the images of a split, {local} gets {here} and {remote} {there}."
        if (usd := advice.usd_per_saved_s) is not None:
            yield f"  Each second that this saves over {local} alone costs {show_usd(usd)}."
    at_most, limit = option.shares.at_most, advice.goal.max_cost_usd
    if at_most is not None and limit is not None:
        can = f"{count(at_most, 'image')} at most" if at_most else "no image"
        yield f"For {show_usd(limit)}, {remote} can do {can} of a split."


def _images(found: Count) -> str:
    return between(found.images, (found.low, found.high), lambda number: f"{number:,.0f}")
