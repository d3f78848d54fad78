"""A batch on n workers that take shards of images from one list: how long, how large, how many.

Workers that begin at a and each take t for an image are the machines of a fleet (`fleet.seconds`):
of N images the last is begun about when all are done that were shared without a rest, and who began
a shard last ends last:

    T(n) = a + N t / n + Z        Z = max(S (1/2 + v sqrt(2 ln n)), S - N t / n)

S seconds of the last shards, and v by how much shards differ, as standard deviation over mean. When
the list is at its end each worker is somewhere in its shard, half of it to go on average and all of
it for the one who began last; the slowest of n lies sqrt(2 ln n) deviations above the mean, at
most. With fewer shards than workers all take one.
"""

import math
from dataclasses import replace

import numpy as np

from offload.costmodel.fleet import Bounds, Pace, wanted
from offload.costmodel.terms import SHORTEST_S, Draws, Shards

SHARE = 20
"""A worker gets as many shards at least, of a list that is long enough: the last one is a small
part of its time, and so is what a worker loses that dies.
"""
LONGEST_S = 900.0
"""Of a shard: what is lost of it where its worker dies."""
SHARD_S = 300.0
"""What a shard is planned to take before anything is listed."""
STARTED_S = 300.0
"""Of a shard at least where a process is started for each, which loads the model."""
MOST_WORKERS = 100
"""Unless somebody says how many there may be."""
_NO_LIMITS, _SHARDS = Bounds(), Shards(1)


def shard_images(
    listed: int, workers: int, images_per_s: float, shortest_s: float = SHORTEST_S
) -> int:
    """How many images the next shard gets when `listed` are in others already, of so many workers
    that each do `images_per_s`. How many there will be nobody knows while a store is listed: a
    twentieth of a worker's share of what there was, between `shortest_s` and 15 minutes of work.
    """
    longest, shortest = LONGEST_S * images_per_s, shortest_s * images_per_s
    return max(1, round(min(longest, max(shortest, listed / (SHARE * workers)))))


def straggle_s(images: int, shards: Shards, image_s: Draws) -> Draws:
    """Seconds that the last shard takes after all would be done that were shared without a rest;
    one number per draw of `image_s`, which a worker takes for an image. The Z above.
    """
    number = shards.workers
    if number == 1:
        return np.zeros_like(image_s)
    rate = 1 / float(np.median(image_s))
    shard_s = min(images, shard_images(images, number, rate, shards.shortest_s)) * image_s
    later_s = shard_s * (0.5 + shards.spread * math.sqrt(2 * math.log(number)))
    return np.maximum(later_s, shard_s - images * image_s / number)


def workers(
    images: int,
    most: int,
    pace: Pace,
    limits: Bounds = _NO_LIMITS,
    shards: Shards = _SHARDS,
) -> int:
    """How many workers a batch is worth, as `fleet.wanted` says of machines: within a deadline, of
    which the last shards take their part; below a budget; or without either the most that are not
    much dearer than one, which of those that cost nothing are all. Never more than `most`, nor than
    there are shards.
    """
    work_s = images / pace.images_per_s
    most = max(1, min(most, math.floor(work_s / shards.shortest_s)))
    if limits.seconds is None and not pace.usd_per_h:
        return most
    found = wanted(images, (), most, pace, limits)
    if limits.seconds is None:
        return found
    image_s = np.array([1 / pace.images_per_s])
    for _ in range(3):  # the last shards are shorter the more workers there are
        (last_s,) = straggle_s(images, replace(shards, workers=found), image_s)
        left_s = max(1.0, limits.seconds - float(last_s))
        found = wanted(images, (), most, pace, replace(limits, seconds=left_s))
    return found
