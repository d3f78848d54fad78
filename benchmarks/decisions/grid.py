"""The jobs that may be measured, what is run for each, and the drawing of some of them."""

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

LOCAL, SLOWED, CONTAINER = "local", "local slowed", "container"
REMOTE, COLD, COPIES = "remote", "remote cold", "remote copies"
PLACES = (LOCAL, SLOWED, CONTAINER, REMOTE, COPIES, COLD)
ELSEWHERE = {REMOTE, COPIES, COLD}
RUN = (LOCAL, SLOWED, CONTAINER, REMOTE, COPIES)
"""What is run; a cold server is a warm one whose start is added."""

MENUS = (
    (LOCAL, CONTAINER, REMOTE),
    (LOCAL, CONTAINER, REMOTE, COPIES),
    (LOCAL, CONTAINER, COLD),
    (SLOWED, REMOTE),
    (SLOWED, REMOTE, COPIES),
    (SLOWED, COLD),
)
"""What there is to choose from: the local side first, the remote one that it is about last."""

SIDE_PX = {"small": 320, "large": 640}
"""Longest sides of the smaller copies."""


@dataclass(frozen=True, order=True)
class Condition:
    """What places are profiled under: a detector, a sort of photos and an uplink in Mbit/s."""

    detector: str
    photos: str
    uplink_mbit: int


@dataclass(frozen=True, order=True)
class Job:
    """So many images under a condition."""

    condition: Condition
    images: int


@dataclass(frozen=True)
class Part:
    """A place under a condition, as it is profiled; the uplink is 0 where nothing is sent."""

    detector: str
    photos: str
    uplink_mbit: int
    place: str

    @property
    def name(self) -> str:
        """A file's name."""
        words = f"{self.detector} {self.photos} {self.place} {self.uplink_mbit or ''}"
        return "-".join(words.split())


@dataclass(frozen=True)
class Cell:
    """A job at a place: what one run is of. Jobs that differ by the uplink alone share those in
    which nothing is sent.
    """

    part: Part
    images: int


@dataclass(frozen=True)
class Grid:
    """All values of each dimension."""

    conditions: Sequence[Condition]
    images: Sequence[int]

    def jobs(self) -> Iterator[Job]:
        """Every job there is."""
        return (Job(c, n) for c in self.conditions for n in self.images)

    def cells(self) -> set[Cell]:
        """Every cell that could be run."""
        return {cell for job in self.jobs() for cell in cells(job)}


def full() -> Grid:
    """The whole grid."""
    conditions = itertools.product(("fast", "slow"), ("small", "large"), (2, 5, 20, 50, 100, 300))
    return Grid([Condition(*each) for each in conditions], (1, 2, 5, 10, 20, 50, 100, 200))


def quick() -> Grid:
    """A corner of it, for developing."""
    return Grid([Condition("fast", "small", 20), Condition("slow", "large", 50)], (1, 5, 20))


def part(condition: Condition, place: str) -> Part:
    """What is known of a place under a condition rests on this; a server cold, warm and with
    smaller copies is profiled at once.
    """
    remote = place in ELSEWHERE
    return Part(
        condition.detector,
        condition.photos,
        condition.uplink_mbit if remote else 0,
        REMOTE if remote else place,
    )


def cell(job: Job, place: str) -> Cell:
    """The cell of a job at a place."""
    where = part(job.condition, place)
    return Cell(Part(where.detector, where.photos, where.uplink_mbit, place), job.images)


def cells(job: Job) -> list[Cell]:
    """What is run for a job."""
    return [cell(job, place) for place in RUN]


def draw(
    grid: Grid, predicted_s: Mapping[Cell, float], longest_s: float, most: int, seed: int
) -> list[Job]:
    """Jobs at random, whole ones, until they have a third of the cells that are not too long, but
    at least 60 and at most `most`; in the order in which to run them.

    For each detector and sort of photos the same three numbers of images are taken, a small, a
    middle and a large one, so that curves over them can be drawn. Conditions come such that
    detectors, photos and uplinks are all met early.
    """
    rng = random.Random(seed)  # noqa: S311 - no secret
    short = {cell for cell, seconds in predicted_s.items() if seconds <= longest_s}
    wanted = min(max(60, len(short) // 3), most)
    numbers = _numbers(grid, rng)
    jobs: list[Job] = []
    taken: set[Cell] = set()
    for condition in _spread(grid.conditions, rng):
        for images in numbers[condition.detector, condition.photos]:
            job = Job(condition, images)
            more = short.intersection(cells(job)) - taken
            if len(taken) + len(more) <= wanted:
                taken |= more
                jobs.append(job)
    rng.shuffle(jobs)
    return jobs


def _numbers(grid: Grid, rng: random.Random) -> dict[tuple[str, str], list[int]]:
    """Three numbers of images for each detector and sort of photos, all of them used somewhere."""
    cut = [len(grid.images) * third // 3 for third in range(4)]
    thirds = [list(grid.images[low:high]) for low, high in itertools.pairwise(cut)]
    for third in thirds:
        rng.shuffle(third)
    kinds = sorted({(c.detector, c.photos) for c in grid.conditions})
    return {
        kind: [third[number % len(third)] for third in thirds] for number, kind in enumerate(kinds)
    }


def _spread(conditions: Sequence[Condition], rng: random.Random) -> Iterator[Condition]:
    """All of them in an order in which every value of every dimension recurs evenly."""
    left = rng.sample(list(conditions), len(conditions))
    done: list[Condition] = []
    while left:
        best = min(left, key=lambda c: _met(c, done))
        left.remove(best)
        done.append(best)
        yield best


def _met(condition: Condition, done: Sequence[Condition]) -> tuple[int, int]:
    same_kind = sum((d.detector, d.photos) == (condition.detector, condition.photos) for d in done)
    return sum(d.uplink_mbit == condition.uplink_mbit for d in done) + same_kind, same_kind
