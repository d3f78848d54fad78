"""Which lanes are compared over the number of images, and with which one."""

from collections.abc import Sequence

from offload.findings.study import Lane, Study

KNOBS = ("concurrency", "replicas", "cpus")
"""What is turned to make a place faster; the rest of a lane is what there is."""
HERE = ("local", "container")
"""Places on the machine that has the images, the simplest first."""


def lanes(study: Study) -> list[Lane]:
    """One lane for each place, link, size of uploads and start: of those that differ by a knob
    alone the one that was run with most numbers of images, then the fastest with as many as
    possible.
    """
    alike: dict[Lane, list[Lane]] = {}
    for lane in study.lanes:
        alike.setdefault(lane.but(**dict.fromkeys(KNOBS)), []).append(lane)

    def merit(lane: Lane) -> tuple[int, int, float]:
        series = study.series(lane)
        most = max(series)
        return len(series), most, -(series[most].median("makespan_s") or 0.0)

    return [max(group, key=merit) for group in alike.values()]


def settings(study: Study, lane: Lane) -> int:
    """How many lanes differ from this one by the knobs alone, itself included."""
    blank = dict.fromkeys(KNOBS)
    return sum(other.but(**blank) == lane.but(**blank) for other in study.lanes)


def base(study: Study, lane: Lane, among: Sequence[Lane]) -> Lane | None:
    """The lane on the machine that has the images to compare `lane` with: the simplest place other
    than its own, started alike, and run with two of its numbers of images if there is one.
    """
    numbers = set(study.series(lane))
    rivals = [
        other
        for other in among
        if other.place in HERE and other.place != lane.place and numbers & set(study.series(other))
    ]
    if lane.place in HERE:  # a container is compared with this process, never the other way round
        rivals = [r for r in rivals if HERE.index(r.place) < HERE.index(lane.place)]
    likeness = [
        (r.cold == lane.cold, -HERE.index(r.place), r.link_mbit == lane.link_mbit) for r in rivals
    ]
    return rivals[likeness.index(max(likeness))] if rivals else None


def most_images(study: Study, among: Sequence[Lane]) -> int | None:
    """The largest number of images that the most of these lanes were run with."""
    numbers = [images for lane in among for images in study.series(lane)]
    return max(numbers, key=lambda n: (numbers.count(n), n)) if numbers else None
