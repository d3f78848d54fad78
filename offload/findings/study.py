"""A study in memory: its runs, grouped by what was set, and what they ran on."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from offload.domain.errors import UsageError
from offload.domain.places import KnownPlaces, is_name
from offload.domain.studies import LEVELS
from offload.domain.study_tables import HINT, NUMBERS, shown
from offload.findings.estimates import Estimate, estimate, surely_less

_NEEDED = ("cell", "place", "images", "makespan_s", "error")
_TRUE = {"true", "yes", "1"}

TOTAL, COLD = "makespan_s", "cold_s"
"""Seconds of a run as it was asked for, and with its start-up whatever was asked for."""

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Variant:
    """All that was set for a run but its number of images; None where it was left open. `link_mbit`
    is the rate that the link was shaped to.
    """

    place: str
    concurrency: int | None = None
    replicas: int | None = None
    cpus: float | None = None
    upload_max_side_px: int | None = None
    link_mbit: float | None = None
    cold: bool = False

    def but(self, **values: Any) -> "Variant":
        """The lane with other values for some fields."""
        return replace(self, **values)


@dataclass(frozen=True, slots=True)
class MeasuredRun:
    """One run: what was set, and the numbers that came of it by the name of their column, `COLD`
    among them where its start-up is known. A failed one has an `error` and no numbers.
    """

    cell: str
    lane: Variant
    images: int
    numbers: Mapping[str, float] = field(default_factory=dict)
    assumed: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class TransferPoint:
    """One image of one run: what was sent of it, and the seconds that its way took but for waiting
    and work: upload, a round trip, and the answer.
    """

    lane: Variant
    bytes: int
    sent_bytes: int
    transfer_s: float


@dataclass(frozen=True, slots=True)
class Group:
    """All runs of one lane with one number of images that came to an end."""

    lane: Variant
    images: int
    runs: tuple[MeasuredRun, ...]

    def values(self, column: str) -> list[float]:
        """A column's numbers, a run each."""
        return [run.numbers[column] for run in self.runs if column in run.numbers]

    def is_faster(self, other: "Group", column: str = TOTAL) -> bool:
        """Whether its runs surely take less time than the other's, of which both have some."""
        return surely_less(self.values(column), other.values(column))

    def estimate(self, column: str) -> Estimate | None:
        """The median of a column; None where it is empty."""
        return estimate(self.values(column))

    def median(self, column: str) -> float | None:
        """The median alone."""
        return float(np.median(values)) if (values := self.values(column)) else None


@dataclass(frozen=True)
class Study:
    """All that was recorded. `design` and `environment` are the documents beside the runs,
    `picture` is one annotated photo in its format, if there is one; `places` tells what a place is,
    and which are told of first.
    """

    runs: tuple[MeasuredRun, ...]
    photos: tuple[TransferPoint, ...] = ()
    design: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    picture: bytes = b""
    places: KnownPlaces = field(kw_only=True)

    @cached_property
    def done(self) -> tuple[MeasuredRun, ...]:
        """The runs that came to an end."""
        return tuple(run for run in self.runs if "makespan_s" in run.numbers)

    @cached_property
    def failed(self) -> tuple[MeasuredRun, ...]:
        """The runs that did not."""
        return tuple(run for run in self.runs if "makespan_s" not in run.numbers)

    @cached_property
    def groups(self) -> Mapping[tuple[Variant, int], Group]:
        """The runs that came to an end, repeats together."""
        found: dict[tuple[Variant, int], list[MeasuredRun]] = {}
        for run in self.done:
            found.setdefault((run.lane, run.images), []).append(run)
        ordered = sorted(found, key=lambda key: (self.order(key[0]), key[1]))
        return {key: Group(*key, tuple(found[key])) for key in ordered}

    @cached_property
    def lanes(self) -> tuple[Variant, ...]:
        """Those of which a run came to an end."""
        return tuple(dict.fromkeys(lane for lane, _ in self.groups))

    @cached_property
    def repeats(self) -> int:
        """How many runs of one cell came to an end, in the one that has most."""
        return max((len(group.runs) for group in self.groups.values()), default=0)

    @cached_property
    def attempts(self) -> int:
        """How many runs of one cell there are, whatever came of them, in the one that has most."""
        return max(Counter((run.lane, run.images) for run in self.runs).values(), default=0)

    @cached_property
    def cold(self) -> bool:
        """Whether each place was started anew for every run."""
        return any(run.lane.cold for run in self.runs)

    def series(self, lane: Variant) -> dict[int, Group]:
        """A lane's groups by their number of images, which rises."""
        return {images: group for (each, images), group in self.groups.items() if each == lane}

    def order(self, lane: Variant) -> tuple[Any, ...]:
        """Sorts lanes the way they are told of."""
        place = self.places[lane.place].simplicity, lane.place
        rest = (lane.link_mbit, lane.upload_max_side_px, lane.cpus, lane.replicas, lane.concurrency)
        return (*place, *(each or 0 for each in rest))

    def place_names(self) -> list[str]:
        """The places that were run, whatever came of it."""
        lanes = sorted({run.lane for run in self.runs}, key=self.order)
        return list(dict.fromkeys(lane.place for lane in lanes))

    def known_names(self) -> list[str]:
        """The places there are, and those that were run."""
        return list(dict.fromkeys([*self.places, *self.place_names()]))


def plain(text: str) -> str:
    """What data says, on one line, and without what a report takes for code."""
    return shown(text.strip()).replace("`", "'")


def levels(runs: Iterable[MeasuredRun], name: str) -> list[Any]:
    """The values that a field of the lane took, those left open not counted."""
    return sorted({value for run in runs if (value := getattr(run.lane, name)) is not None})


def of_tables(
    runs: Iterable[Row],
    images: Iterable[Row],
    design: Mapping[str, Any],
    environment: Mapping[str, Any],
    places: KnownPlaces,
) -> Study:
    """The study whose lines are `runs` and, per image, `images`.

    Raises:
        UsageError: there is no run, a column is missing, or a cell is no number or no place.
    """
    starts_s = _cold_starts(environment)
    read = tuple(_run(row, line, starts_s) for line, row in enumerate(runs, 2))
    if not read:
        raise UsageError("This study has no run yet.", hint=HINT)
    lanes = {run.cell: run.lane for run in read if not run.error}
    photos = tuple(
        _photo(row, lanes[row["cell"]], line)
        for line, row in enumerate(images, 2)
        if row.get("cell") in lanes
    )
    return Study(read, photos, design, environment, places=places)


def _run(row: Row, line: int, starts_s: Mapping[str, float]) -> MeasuredRun:
    where = f"Line {line} of runs.csv"
    for name in _NEEDED:
        if row.get(name) is None:
            raise UsageError(f"{where} has no column {name!r}.", hint=HINT)
    numbers = {name: value for name in NUMBERS if (value := _number(row, name, where)) is not None}
    images = _number(row, "images", where)
    if images is None or images < 1:
        raise UsageError(f"{where} has no number of images.", hint=HINT)
    if not is_name(row["place"]):
        raise UsageError(f"{where} has an unknown place {row['place']!r}.", hint=HINT)
    if not _is_true(row, "cold") and row["place"] in starts_s:
        numbers["startup_s"] = starts_s[row["place"]]
    if numbers.get("startup_s") and "detect_s" in numbers:
        numbers[COLD] = numbers["startup_s"] + numbers["detect_s"]
    error = plain(row["error"])
    if not error and not numbers.get("makespan_s"):
        error = "It has no total time."
    return MeasuredRun(
        cell=row["cell"],
        lane=_lane(row, where),
        images=int(images),
        numbers={} if error else numbers,
        assumed=_is_true(row, "assumed"),
        error=error,
    )


def _cold_starts(environment: Mapping[str, Any]) -> dict[str, float]:
    """Of places that stay up what it took to bring them up, which warm runs do not say."""
    places = environment.get("places")
    known = places.items() if isinstance(places, Mapping) else ()
    facts = {place: each.get("cold_start_s") for place, each in known if isinstance(each, Mapping)}
    return {p: s for p, s in facts.items() if isinstance(s, float) and 0 < s < math.inf}


def _lane(row: Row, where: str) -> Variant:
    levels: dict[str, Any] = {name: _number(row, name, where) for name in LEVELS}
    for name in ("concurrency", "replicas", "upload_max_side_px"):
        levels[name] = None if levels[name] is None else int(levels[name])
    cold = _is_true(row, "cold")
    return Variant(row["place"], **levels, cold=cold)


def _is_true(row: Row, name: str) -> bool:
    return (row.get(name) or "").strip().lower() in _TRUE


def _photo(row: Row, lane: Variant, line: int) -> TransferPoint:
    where = f"Line {line} of per_image.csv"
    names = "upload_s", "download_s", "bytes", "sent_bytes"
    up_s, down_s, size_bytes, sent_bytes = (_number(row, name, where) or 0.0 for name in names)
    return TransferPoint(lane, int(size_bytes), int(sent_bytes), up_s + down_s)


def _number(row: Row, name: str, where: str) -> float | None:
    text = (row.get(name) or "").strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise UsageError(f"{where} has {text!r} in {name!r}, not a number.", hint=HINT)
    return value
