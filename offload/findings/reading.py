"""A study out of its tables and documents."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from offload.domain.errors import UsageError
from offload.domain.places import KnownPlaces, is_name
from offload.domain.studies import LEVELS
from offload.domain.study_tables import HINT, NUMBERS
from offload.findings.study import MeasuredRun, Study, TransferPoint, Variant, plain

_NEEDED = ("cell", "place", "images", "makespan_s", "error")
_TRUE = {"true", "yes", "1"}

Row = Mapping[str, str]


def study(
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
    read = tuple(_run(row, line) for line, row in enumerate(runs, 2))
    if not read:
        raise UsageError("This study has no run yet.", hint=HINT)
    lanes = {run.cell: run.lane for run in read if not run.error}
    photos = tuple(
        _photo(row, lanes[row["cell"]], line)
        for line, row in enumerate(images, 2)
        if row.get("cell") in lanes
    )
    return Study(read, photos, design, environment, places=places)


def _run(row: Row, line: int) -> MeasuredRun:
    where = f"Line {line} of runs.csv"
    for name in _NEEDED:
        if row.get(name) is None:
            raise UsageError(f"{where} has no column {name!r}.", hint=HINT)
    numbers = {name: value for name in NUMBERS if (value := _number(row, name, where)) is not None}
    images = _number(row, "images", where)
    if images is None or images < 1:
        raise UsageError(f"{where} names no number of images.", hint=HINT)
    if not is_name(row["place"]):
        raise UsageError(f"{where} has {row['place']!r} for a place.", hint=HINT)
    error = plain(row["error"])
    if not error and not numbers.get("makespan_s"):
        error = "It has no makespan."
    return MeasuredRun(
        cell=row["cell"],
        lane=_lane(row, where),
        images=int(images),
        numbers={} if error else numbers,
        assumed=_is_true(row, "assumed"),
        error=error,
    )


def _lane(row: Row, where: str) -> Variant:
    levels: dict[str, Any] = {name: _number(row, name, where) for name in LEVELS}
    for name in ("concurrency", "replicas", "upload_max_side_px"):
        levels[name] = None if levels[name] is None else int(levels[name])
    cold = _is_true(row, "cold")
    return Variant(row["place"], plain(row.get("label") or ""), **levels, cold=cold)


def _is_true(row: Row, name: str) -> bool:
    return (row.get(name) or "").strip().lower() in _TRUE


def _photo(row: Row, lane: Variant, line: int) -> TransferPoint:
    where = f"Line {line} of per_image.csv"

    def number(name: str) -> float:
        return _number(row, name, where) or 0.0

    transfer_s = number("upload_s") + number("download_s")
    return TransferPoint(lane, int(number("bytes")), int(number("sent_bytes")), transfer_s)


def _number(row: Row, name: str, where: str) -> float | None:
    text = (row.get(name) or "").strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise UsageError(f"{where} has {text!r} for a number in {name!r}.", hint=HINT)
    return value
