"""A line for each run."""

import math
from dataclasses import dataclass

from splits.cells import Cell, Task


@dataclass(frozen=True)
class Event:
    """Something that had happened `at_s` after the command's start, when `left` images had no
    answer.
    """

    at_s: float = math.nan
    left: int = 0


@dataclass(frozen=True)
class Row:
    """The job, done in some way in a cell: what `offload advise` had said of that way; seconds from
    the first line of our code to the last answer, those of them until the first place was ready,
    and those until the command had ended; images by place, and those that were sent in vain; and
    what happened on the way, as in `Event`.
    """

    detector: str
    uplink_mbit: int
    cores: float
    way: str
    repeat: int
    predicted_s: float
    actual_s: float
    startup_s: float
    wall_s: float
    here: int
    there: int
    duplicate_uploads: int
    event_s: float
    event_left: int

    @property
    def cell(self) -> Cell:
        """Where it was run."""
        return Cell(self.detector, self.uplink_mbit, self.cores)

    @property
    def task(self) -> Task:
        """What it is a run of."""
        return Task(self.cell, self.way, self.repeat)
