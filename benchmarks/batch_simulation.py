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
import random
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from draws import gamma, lognormal, measured

from tests.costmodel.batches import Pace, simulated

IMAGES = (1_000_000, 10_000_000, 100_000_000)
WORKERS = (10, 100, 1000)


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description="Batches over images shared without a rest.")
    parser.add_argument("--starts", type=measured, default=gamma, help="file of seconds")
    parser.add_argument("--images", type=measured, default=lognormal, help="file of seconds")
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


if __name__ == "__main__":
    main()
