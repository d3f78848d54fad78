"""A study out of its tables and documents."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from offload.domain.errors import UsageError
from offload.findings.study import PLACES, MeasuredRun, Study, TransferPoint, Variant, plain

HINT = "To make a study: offload experiment PHOTOS --images 1,10,100 -o STUDY"
_NEEDED = ("cell", "place", "images", "makespan_s", "error")
_NUMBERS = (
    "makespan_s", "startup_s", "detect_s", "images_per_s", "infer_mean_s", "infer_p50_s",
    "infer_p95_s", "response_p50_s", "response_p95_s", "read_s", "prepare_s", "upload_wait_s",
    "upload_s",
    "queue_s", "decode_s", "infer_s", "download_s", "sent_bytes", "failed", "predicted_s",
    "predicted_low_s", "predicted_high_s", "predicted_usd", "usd",
)  # fmt: skip
_TRUE = {"true", "yes", "1"}

Row = Mapping[str, str]


def study(
    runs: Iterable[Row],
    images: Iterable[Row],
    design: Mapping[str, Any],
    environment: Mapping[str, Any],
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
    return Study(read, photos, design, environment)


def _run(row: Row, line: int) -> MeasuredRun:
    for name in _NEEDED:
        if row.get(name) is None:
            raise UsageError(f"Line {line} of runs.csv has no column {name!r}.", hint=HINT)
    where = f"Line {line} of runs.csv"
    numbers = {name: value for name in _NUMBERS if (value := _number(row, name, where)) is not None}
    images = _number(row, "images", where)
    if images is None or images < 1:
        raise UsageError(f"{where} names no number of images.", hint=HINT)
    if row["place"] not in PLACES:
        raise UsageError(f"{where} has {row['place']!r} for a place.", hint=HINT)
    error = plain(row["error"])
    if not error and not numbers.get("makespan_s"):
        error = "It has no makespan."
    return MeasuredRun(
        cell=row["cell"],
        lane=_lane(row, where),
        images=int(images),
        numbers={} if error else numbers,
        assumed=(row.get("assumed") or "").strip().lower() in _TRUE,
        error=error,
    )


def _lane(row: Row, where: str) -> Variant:
    def whole(name: str) -> int | None:
        value = _number(row, name, where)
        return None if value is None else int(value)

    return Variant(
        place=row["place"],
        label=plain(row.get("label") or ""),
        concurrency=whole("concurrency"),
        replicas=whole("replicas"),
        cpus=_number(row, "cpus", where),
        upload_max_side_px=whole("upload_max_side_px"),
        link_mbit=_number(row, "link_mbit", where),
        cold=(row.get("cold") or "").strip().lower() in _TRUE,
    )


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
