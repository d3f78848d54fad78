"""What is measured: cells, in each some ways to do the job, in the order of running them."""

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SPLIT, LOCAL, REMOTE = "split", "local", "remote"
DROPS, KILLED, LATE = "split, link to a tenth", "split, server killed", "split, server late"
GONE = "split, host gone"
FAULTS = (DROPS, KILLED, LATE)
STATIC = "static"
"""And how many images the remote place gets."""

LONGEST_S = 90
COMPETES = 1.25
"""How many times as long as the better single place the other may take to be run as well."""
AGAIN_S = 30
"""What a round of a cell may take to be run again."""
_SHARES = (0.8, 0.9, 1.0, 1.1, 1.2)


@dataclass(frozen=True, order=True)
class Cell:
    """A detector, an uplink in Mbit/s and the cores of the local side; the remote side has one."""

    detector: str
    uplink_mbit: int
    cores: float

    @property
    def name(self) -> str:
        """How it is shown."""
        return f"{self.detector}, {self.uplink_mbit} Mbit/s, {self.cores:g}"

    @property
    def here(self) -> tuple[str, float]:
        """What matters where nothing is sent."""
        return self.detector, self.cores


@dataclass(frozen=True)
class Task:
    """The job, done in some way in a cell, for the n-th time."""

    cell: Cell
    way: str
    repeat: int = 0


@dataclass(frozen=True)
class Grid:
    """All cells; those in which shares are swept; those in which something happens on the way."""

    cells: Sequence[Cell]
    swept: Sequence[Cell]
    faulty: Sequence[Cell]


def full() -> Grid:
    """Everything."""
    every = itertools.product(("fast", "slow"), (5, 20, 100), (1.0, 0.5, 0.25))
    contested = Cell("fast", 20, 0.25), Cell("slow", 20, 0.5)
    return Grid([Cell(*each) for each in every], (*contested, Cell("slow", 100, 1.0)), contested)


def quick() -> Grid:
    """A corner of it, to try it."""
    cells = Cell("fast", 20, 0.25), Cell("slow", 20, 0.5)
    return Grid(cells, cells[1:], cells)


def tasks(
    grid: Grid,
    singles_s: Mapping[Cell, Mapping[str, float]],
    there: Mapping[Cell, int],
    repeats: int,
) -> list[Task]:
    """Rounds through the cells in random order, in each its ways in random order; at the very end
    the host goes.

    `singles_s` is what a job takes at either place of a cell, `there` how many images the remote
    one would have of a split. Shares are swept in the first round. Later ones leave out what needs
    `AGAIN_S` or more.
    """
    rng = random.Random(repeats)  # noqa: S311 - no secret
    found: list[Task] = []
    for repeat in range(repeats):
        for cell in rng.sample(list(grid.cells), len(grid.cells)):
            seconds = singles_s[cell]
            better_s = min(seconds.values())
            ways = [place for place in seconds if seconds[place] <= COMPETES * better_s]
            if repeat and sum(seconds[place] for place in ways) + better_s >= AGAIN_S:
                continue
            ways += [SPLIT, *(FAULTS if cell in grid.faulty else ())]
            if cell in grid.swept and not repeat:
                ways += [f"{STATIC} {round(share * there[cell])}" for share in _SHARES]
            found += [Task(cell, way, repeat) for way in rng.sample(ways, len(ways))]
    return [*found, Task(grid.faulty[-1], GONE)]
