"""How good the shards of a batch are: seconds over those of images shared without a rest.

    python benchmarks/batch_simulation.py [--starts FILE] [--images FILE] [--kills 0.05]

A discrete-event simulation around the code that decides how large shards are
(`offload.costmodel.batch`), on a clock of its own: images are listed, 50,000 a second, cut, and
worked on by whoever is free; a worker is killed at random, `--kills` times an hour, and its shard
begun again by the next; another worker takes its place after a start of its own. Nobody tells the
planner how many images there are, and what it knows of the pace is off by 15 %.

Files have a measured number of seconds a line: of starts, from asking for a worker to its first
shard, and of images on one worker; each is drawn from. Without them: starts are gamma-distributed
with a mean of 100 s and a deviation of 15 %, images lognormal with a mean of 0.1 s and a deviation
of 50 %, shards differ by another 5 %, and workers by 5 %. A shard takes half a second of its own.

The least possible: the mean start, then all images at the sum of the workers' rates.
"""

import argparse
import heapq
import math
import random
import statistics
import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from offload.costmodel.batch import shard_images
from offload.costmodel.fleet import S_PER_IMAGE_AND_CORE, START_S

LISTED_PER_S = 50_000.0
SHARD_S = 0.5
UNLIKE = 0.05
IMAGES = (1_000_000, 10_000_000, 100_000_000)
WORKERS = (10, 100, 1000)

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


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description="Batches over images shared without a rest.")
    parser.add_argument("--starts", type=_measured, default=_gamma, help="file of seconds")
    parser.add_argument("--images", type=_measured, default=_lognormal, help="file of seconds")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kills", type=float, default=0.05, help="of a worker, an hour")
    asked = parser.parse_args()
    luck = random.Random(21)  # noqa: S311 - no secret
    drawn = [asked.images(luck) for _ in range(10_000)]
    mean_s, variance_s2 = statistics.fmean(drawn), statistics.pvariance(drawn)
    print("images        workers  shards  longest  begun again  over the least possible")
    for images in IMAGES:
        for workers in WORKERS:
            pace = Pace(asked.starts, mean_s, variance_s2, asked.kills)
            found = [simulated(images, workers, pace, luck) for _ in range(asked.rounds)]
            ratios = [each.ratio for each in found]
            print(
                f"{images:11,} {workers:9,} {found[0].shards:7,} {found[0].longest_s:7.0f}s "
                f"{found[0].again:12,}  {statistics.median(ratios):.3f} "
                f"({min(ratios):.3f}..{max(ratios):.3f})",
                flush=True,
            )


def _measured(path: str) -> Draw:
    seconds = [float(line) for line in Path(path).read_text().split()]
    return lambda luck: luck.choice(seconds)


def _gamma(luck: random.Random) -> float:
    shape = 1 / 0.15**2
    return luck.gammavariate(shape, START_S / shape)


def _lognormal(luck: random.Random) -> float:
    sigma = math.sqrt(math.log(1 + 0.5**2))
    return luck.lognormvariate(math.log(S_PER_IMAGE_AND_CORE) - sigma**2 / 2, sigma)


if __name__ == "__main__":
    main()
