"""Which lanes are compared over the number of images, and with which one."""

from collections.abc import Sequence

from offload.findings.study import TOTAL, Study, Variant

KNOBS = ("concurrency", "replicas", "cpus")
"""What is turned to make a place faster; the rest of a lane is what there is."""


def lanes(study: Study) -> list[Variant]:
    """One lane for each place, link and size of uploads: of those that differ by a knob
    alone the one that was run with most numbers of images, then the fastest with as many as
    possible.
    """
    alike: dict[Variant, list[Variant]] = {}
    for lane in study.lanes:
        alike.setdefault(lane.but(**dict.fromkeys(KNOBS)), []).append(lane)

    def merit(lane: Variant) -> tuple[int, int, float]:
        series = study.series(lane)
        most = max(series)
        return len(series), most, -(series[most].median("makespan_s") or 0.0)

    return [max(group, key=merit) for group in alike.values()]


def settings(study: Study, lane: Variant) -> int:
    """How many lanes differ from this one by the knobs alone, itself included."""
    blank = dict.fromkeys(KNOBS)
    return sum(other.but(**blank) == lane.but(**blank) for other in study.lanes)


def base(
    study: Study, lane: Variant, among: Sequence[Variant], column: str = TOTAL
) -> Variant | None:
    """The lane on the machine that has the images to compare `lane` with, of those that share a
    number of images with it: the simplest place other than its own, or one that is surely faster
    than that by a column of seconds.
    """
    numbers, own = set(study.series(lane)), study.places[lane.place]
    rivals = [
        other
        for other in among
        if (traits := study.places[other.place]) != own
        and not traits.leaves_machine
        # A container is compared with this process, never the other way round.
        and (own.leaves_machine or traits.simplicity < own.simplicity)
        and numbers & set(study.series(other))
    ]
    chosen: Variant | None = None
    for rival in sorted(rivals, key=lambda r: study.places[r.place].simplicity):
        ours, theirs = study.series(rival), study.series(chosen) if chosen else {}
        most = max(set(ours) & set(theirs), default=0)  # images that both did
        if chosen is None or (most and ours[most].is_faster(theirs[most], column)):
            chosen = rival
    return chosen
