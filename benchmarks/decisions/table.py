"""What is kept of runs and choices: lines of CSV that are added as they come about."""

import csv
import math
from collections.abc import Sequence
from dataclasses import Field, asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from decisions.grid import Cell, Condition, Job, Part


@dataclass(frozen=True)
class Row:
    """A job at a place: what was predicted, and what it took, in seconds; those are not a number
    where it was predicted to last too long and so not run.

    `naive_s` is images times bytes / bandwidth + inference; `assumed` 1 if any term was; `uplink`
    0 where nothing is sent; `profile_s` what measuring the place took beforehand.
    """

    detector: str
    photos: str
    uplink_mbit: int
    images: int
    place: str
    repeat: int
    bytes: int
    predicted_s: float
    low_s: float
    high_s: float
    naive_s: float
    assumed: int
    binds: str
    actual_s: float
    startup_s: float
    detect_s: float
    profile_s: float

    @property
    def cell(self) -> Cell:
        """What it is a run of."""
        part = Part(self.detector, self.photos, self.uplink_mbit, self.place)
        return Cell(part, self.images)

    @property
    def condition(self) -> Condition:
        """What it was run under."""
        return Condition(self.detector, self.photos, self.uplink_mbit)

    @property
    def was_run(self) -> bool:
        """Whether it was not too long."""
        return not math.isnan(self.actual_s)


@dataclass(frozen=True)
class Choice:
    """What was advised for a job, of a menu of places, before it was run; and the number of images
    from which on the menu's last place is faster than its first, or up to which; 0 for none.
    """

    detector: str
    photos: str
    uplink_mbit: int
    images: int
    menu: str
    chosen: str
    too_close: int
    break_even: int

    @property
    def job(self) -> Job:
        """What it was made for."""
        return Job(Condition(self.detector, self.photos, self.uplink_mbit), self.images)


class Line(Protocol):
    """A dataclass of texts and numbers."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


T = TypeVar("T", bound=Line)


def read(path: Path, kind: type[T]) -> list[T]:
    """All lines, each one of `kind`; none if there is no file."""
    if not path.exists():
        return []
    types: dict[str, Any] = {field.name: field.type for field in fields(kind)}
    with path.open(newline="") as file:
        return [
            kind(**{name: types[name](text) for name, text in line.items()})
            for line in csv.DictReader(file)
        ]


def append(path: Path, lines: Sequence[Line]) -> None:
    """Add lines, under a heading if they are the first."""
    fresh = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        for line in lines:
            values = asdict(line)
            if fresh:
                writer.writerow(values)
                fresh = False
            writer.writerow(
                f"{value:.6g}" if isinstance(value, float) else value for value in values.values()
            )
