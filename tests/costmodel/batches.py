"""A simulation of a batch: images listed, cut into shards, worked on by whoever is free."""

import heapq
import math
import random
import statistics
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from offload.costmodel.batch import shard_images

LISTED_PER_S = 50_000.0
SHARD_S = 0.5
UNLIKE = 0.05

Draw = Callable[[random.Random], float]


@dataclass(frozen=True)
class Pace:
    """What is drawn: seconds of a start, mean and variance of those of an image, kills an hour, and
    by how much the planner is wrong of the pace.
    """

    start: Draw
    image_s: float
    variance_s2: float
    kills_per_h: float
    off: float = 0.15


@dataclass(frozen=True)
class Found:
    """A batch: seconds over the least possible, and beyond it; how many shards it had, how many
    were begun again, and how long the longest was.
    """

    ratio: float
    late_s: float
    shards: int
    again: int
    longest_s: float


def sizes(images: int, workers: int, images_per_s: float) -> Iterator[int]:
    """The shards, as they are cut while somebody lists."""
    listed = 0
    while listed < images:
        size = min(images - listed, shard_images(listed, workers, images_per_s))
        listed += size
        yield size


def simulated(
    images: int, workers: int, pace: Pace, luck: random.Random, spread: float = UNLIKE
) -> Found:
    """One batch, of shards that differ so much."""
    known = luck.lognormvariate(0, pace.off) / pace.image_s
    cut, listed = deque[tuple[float, int]](), 0
    for size in sizes(images, workers, known):
        listed += size
        cut.append((listed / LISTED_PER_S, size))
    number, again, longest_s, end_s = len(cut), 0, 0.0, 0.0
    speeds = [luck.lognormvariate(0, UNLIKE) for _ in range(workers)]
    starts = [pace.start(luck) for _ in range(workers)]
    free = [(start_s, worker) for worker, start_s in enumerate(starts)]
    heapq.heapify(free)
    lost = list[tuple[float, int]]()
    while cut or lost:
        now_s, worker = heapq.heappop(free)
        if lost and (lost[0][0] <= now_s or not cut):
            at_s, size = heapq.heappop(lost)
        else:
            at_s, size = cut.popleft()
        now_s = max(now_s, at_s)
        mean_s = size * pace.image_s * luck.lognormvariate(0, spread)
        took_s = SHARD_S + max(0.0, luck.gauss(mean_s, math.sqrt(size * pace.variance_s2)))
        took_s /= speeds[worker]
        longest_s = max(longest_s, took_s)
        dies_s = luck.expovariate(pace.kills_per_h / 3600) if pace.kills_per_h else math.inf
        if dies_s < took_s:
            again += 1
            heapq.heappush(lost, (now_s + dies_s, size))
            heapq.heappush(free, (now_s + dies_s + pace.start(luck), worker))
        else:
            end_s = max(end_s, now_s + took_s)
            heapq.heappush(free, (now_s + took_s, worker))
    least_s = statistics.fmean(starts) + images * pace.image_s / sum(speeds)
    return Found(end_s / least_s, end_s - least_s, number, again, longest_s)
