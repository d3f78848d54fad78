"""What was predicted of each run before it began, against what it took."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from offload.findings.study import TOTAL, MeasuredRun, Study, Variant

_BAD = 0.25


def predicted(runs: Sequence[MeasuredRun]) -> list[MeasuredRun]:
    """Those that were predicted."""
    return [
        run
        for run in runs
        if run.numbers.get("predicted_s", 0) > 0 and run.numbers.get("makespan_s", 0) > 0
    ]


@dataclass(frozen=True, slots=True)
class PlaceAccuracy:
    """Of `runs` predictions for a place the median and the 90th percentile of the error without its
    sign, over what the run took; and the share of runs within what 90 % were predicted to be
    within, None where that was not said.

    Where they were `bad`, the shares of them that were in part `assumed`, and how many times as
    long the slowest repeat took as the fastest, in the median of the jobs, tell why.
    """

    place: str
    runs: int
    median_error: float
    high_error: float
    within: float | None
    assumed: float
    spread: float

    @property
    def bad(self) -> bool:
        """Whether they were off by more than a quarter."""
        return self.median_error > _BAD


def by_place(study: Study) -> list[PlaceAccuracy]:
    """How right the predictions for each place were, of those that were predicted."""
    runs = predicted(study.done)
    return [
        _accuracy(study, place, these)
        for place in study.place_names()
        if (these := [run for run in runs if run.lane.place == place])
    ]


def _accuracy(study: Study, place: str, runs: Sequence[MeasuredRun]) -> PlaceAccuracy:
    errors = [abs(r.numbers["predicted_s"] / r.numbers["makespan_s"] - 1) for r in runs]
    inside = [
        r.numbers["predicted_low_s"] <= r.numbers["makespan_s"] <= r.numbers["predicted_high_s"]
        for r in runs
        if {"predicted_low_s", "predicted_high_s"} <= r.numbers.keys()
    ]
    timed = [g.values(TOTAL) for g in study.groups.values() if g.lane.place == place]
    return PlaceAccuracy(
        place,
        len(runs),
        median_error=float(np.median(errors)),
        high_error=float(np.quantile(errors, 0.9)),
        within=float(np.mean(inside)) if inside else None,
        assumed=sum(run.assumed for run in runs) / len(runs),
        spread=float(np.median([max(seconds) / min(seconds) for seconds in timed])),
    )


@dataclass(frozen=True, slots=True)
class Choices:
    """For how many jobs the place that was predicted to be fastest was so, and the mean of what the
    picks took beyond the fastest, as a share of it.
    """

    made: int
    right: int
    lost: float


def choices(study: Study, among: Sequence[Variant]) -> Choices | None:
    """What going by the predictions would have come to; None without a choice.

    A choice is between places for the same images, over the same link.
    """
    numbers = {images for lane in among for images in study.series(lane)}
    links = {lane.link_mbit for lane in among}
    links = links - {None} or links
    losses = []
    for number, link in product(numbers, links):
        lanes = [lane for lane in among if lane.link_mbit in {None, link}]
        groups = [group for lane in lanes if (group := study.series(lane).get(number))]
        known = [(g.median("predicted_s"), g.median("makespan_s")) for g in groups]
        said = [(before, after) for before, after in known if before and after]
        if len(said) == len(groups) > 1:
            losses.append(min(said)[1] / min(after for _, after in said) - 1)
    if not losses:
        return None
    return Choices(len(losses), losses.count(0.0), float(np.mean(losses)))
