"""Seconds that simulations draw: measured ones, or those of a distribution around the defaults."""

import math
import random
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from offload.costmodel.fleet import S_PER_IMAGE_AND_CORE, START_S

Draw = Callable[[random.Random], float]


def measured(path: str) -> Draw:
    """One of the seconds in a file, a number a line."""
    seconds = [float(line) for line in Path(path).read_text().split()]
    return lambda luck: luck.choice(seconds)


def gamma(luck: random.Random) -> float:
    """The start of a machine; the spread is 0.15 of the mean."""
    shape = 1 / 0.15**2
    return luck.gammavariate(shape, START_S / shape)


def lognormal(luck: random.Random) -> float:
    """An image on one core; the spread is half of the mean."""
    sigma = math.sqrt(math.log(1 + 0.5**2))
    return luck.lognormvariate(math.log(S_PER_IMAGE_AND_CORE) - sigma**2 / 2, sigma)
