"""Studies: the cells there are to be, in their order, and what came of each."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from itertools import count, product
from statistics import median
from typing import Any

from offload.domain.errors import UsageError
from offload.domain.places import KnownPlaces, PlaceTraits
from offload.domain.results import Json, Row
from offload.domain.timing import Spread

LEVELS = ("concurrency", "replicas", "cpus", "upload_max_side_px", "link_mbit")
"""What may be varied beside the place and the number of images."""


def factors(traits: PlaceTraits) -> tuple[str, ...]:
    """Those of the levels that do something at a place."""
    options = traits.options | ({"link_mbit"} if traits.uses_link else set())
    return tuple(name for name in LEVELS if name.removesuffix("_px") in options)


@dataclass(frozen=True, slots=True)
class Cell:
    """One run that is to be: `number` is its name, `round` which repetition it is part of. None
    leaves to the place what it may choose, and images as they are.
    """

    number: str
    round: int
    traits: PlaceTraits
    images: int
    concurrency: int | None = None
    replicas: int | None = None
    cpus: float | None = None
    upload_max_side_px: int | None = None
    link_mbit: float | None = None
    cold: bool = False

    @property
    def place(self) -> str:
        """The name of its place."""
        return self.traits.name

    @property
    def varied(self) -> Mapping[str, float]:
        """What is set for it, by the name of its field."""
        return {name: level for name in LEVELS if (level := getattr(self, name)) is not None}


@dataclass(frozen=True, slots=True)
class Design:
    """Which cells a study has: every combination of what is varied, as far as it does something at
    a place, `repeats` times.

    `images` are numbers of images; what has no levels is left to the place, and of uploads None is
    images as they are. `cold` takes no place to be up. `known` are the places there are.

    Raises:
        UsageError: there is no such place, or a level does nothing at the places.
    """

    images: tuple[int, ...]
    places: tuple[str, ...]
    concurrency: tuple[int, ...] = ()
    replicas: tuple[int, ...] = ()
    cpus: tuple[float, ...] = ()
    upload_max_side_px: tuple[int | None, ...] = ()
    link_mbit: tuple[float, ...] = ()
    cold: bool = False
    repeats: int = 3
    seed: int = 0
    known: KnownPlaces = field(kw_only=True, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if not self.images:
            raise UsageError("A study needs --images.", hint="For instance: --images 1,2,5,10")
        wrong = next((place for place in self.places if place not in self.known), "")
        if wrong or not self.places:
            names = ", ".join(self.known)
            raise UsageError(f"There is no place {wrong!r}.", hint=f"Available: {names}.")
        for name in LEVELS:
            takers = [place for place, traits in self.known.items() if name in factors(traits)]
            if getattr(self, name) and not set(takers) & set(self.places):
                option = name.removesuffix("_mbit").removesuffix("_px").replace("_", "-")
                said = f"--{option} has no effect with --where {','.join(self.places)}."
                raise UsageError(said, hint=f"It needs --where {' or '.join(takers)}.")

    def cells(self) -> list[Cell]:
        """All cells in the order in which they are run: each round shuffled by itself, so that no
        place or size has the better hours. A cell's name does not depend on the seed.
        """
        ordered: list[Cell] = []
        combinations, numbers = list(self._combinations()), map("{:04d}".format, count())
        for turn in range(1, self.repeats + 1):
            cells = [Cell(next(numbers), turn, cold=self.cold, **each) for each in combinations]
            random.Random(f"{self.seed} {turn}").shuffle(cells)  # noqa: S311 - an order, no secret
            ordered += cells
        return ordered

    def _combinations(self) -> Iterator[dict[str, Any]]:
        for place in self.places:
            traits = self.known[place]
            names = factors(traits)
            levels = [getattr(self, name) or (None,) for name in names]
            for images, *chosen in product(self.images, *levels):
                yield {"traits": traits, "images": images, **dict(zip(names, chosen, strict=True))}

    def to_json(self) -> Json:
        """The design as JSON types."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.compare}


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a cell is thought to take, 90 % between `low_s` and `high_s`, and to cost. `busy_s` has
    its warm-up and the starts of its processes too. `assumed` says that some of it was never
    measured.
    """

    seconds: float
    low_s: float
    high_s: float
    busy_s: float
    usd: float
    assumed: bool


@dataclass(frozen=True, slots=True)
class CellOutcome:
    """What a run took; `photos` are images that did not fail, `infer` leaves first calls out."""

    startup_s: float
    detect_s: float
    infer: Spread | None
    failed: int
    sent_bytes: int
    photos: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class CellRun:
    """A cell that was done `at` that time, beside what was predicted of it; or the reason in
    `error` why it was not. `label` tells places of one kind apart, `usd` is what it cost, and
    `goodput_bytes_per_s` what the link to its server carried when it was probed.
    """

    cell: Cell
    at: str
    predicted: Prediction | None = None
    outcome: CellOutcome | None = None
    label: str = ""
    usd: float = 0.0
    error: str = ""
    goodput_bytes_per_s: float | None = None

    @property
    def makespan_s(self) -> float | None:
        """Until the last result: from the first line if cold, else once ready; None if failed."""
        if self.outcome is None:
            return None
        return self.outcome.detect_s + (self.outcome.startup_s if self.cell.cold else 0.0)


@dataclass(slots=True)
class StudyStatus:
    """Which lane is ahead, as far as has been seen."""

    _seen: dict[int, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, lane: str, images: int, seconds: float) -> None:
        """One more run."""
        self._seen.setdefault(images, {}).setdefault(lane, []).append(seconds)

    def best(self) -> tuple[str, int, float] | None:
        """The lane with the least median of the largest number of images that more than one lane
        has done, that number, and the seconds; None as long as nothing can be compared.
        """
        most = max((n for n, lanes in self._seen.items() if len(lanes) > 1), default=None)
        if most is None:
            return None
        seconds, lane = min((median(seen), lane) for lane, seen in self._seen[most].items())
        return lane, most, seconds


def lane(place: str, levels: Mapping[str, Any]) -> str:
    """A place with what is set there, also in text: `container, replicas 2, cores 0.5`."""
    known = ((name, float(levels[name])) for name in LEVELS if levels.get(name))
    return ", ".join([place, *(f"{_SAID[name]} {level:g}" for name, level in known)])


_SAID = {"concurrency": "in flight", "replicas": "replicas", "cpus": "cores",
         "upload_max_side_px": "copies of px", "link_mbit": "Mbit/s"}  # fmt: skip
