"""Tables of runs that people took by hand.

A table is CSV with these columns among any others: `Date`, `Total Images`, `Payload Size` (of all
images of the run together), `Transfer Speed`, `Total Execution time on server (s)`,
`Avg Inference Time (s)` and `Location`.

`Location` is where the detector ran: `AWS` or a URL is remote; `local`, `localhost`, `127.0.0.1`
and URLs of these are this machine; `container` is a container on it. A remote run took its transfer
(payload over speed) and then the execution on the server; any other took the execution alone. In a
study's `runs.csv`, whose lines have a `cell`, the column `place` decides, a line with an `error` is
no run, and of each place only runs count for which the same was set: as little as for any other
there, and of several such ways the quickest.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from offload.costmodel import sheet
from offload.domain.errors import UsageError
from offload.domain.measurements import Total
from offload.domain.places import is_name
from offload.domain.units import duration_s, rate_bytes_per_s, size_bytes

_DATE, _IMAGES, _LOCATION = "Date", "Total Images", "Location"
_PAYLOAD, _SPEED = "Payload Size", "Transfer Speed"
_EXECUTION, _INFERENCE = "Total Execution time on server", "Avg Inference Time"
_CELL, _PLACE, _ERROR = "cell", "place", "error"
_SETTINGS = ("concurrency", "replicas", "cpus", "upload_max_side_px", "link_mbit")
_COLUMNS = sheet.Columns(
    names=(_DATE, _IMAGES, _PAYLOAD, _SPEED, _EXECUTION, _INFERENCE, _LOCATION),
    needed=(_IMAGES, _EXECUTION, _LOCATION),
    measured=(_PAYLOAD, _SPEED, _EXECUTION, _INFERENCE),
)
_ON_THIS_MACHINE, _AWAY = ("local", "container"), "remote"
"""What such tables call places."""
_HERE = {_ON_THIS_MACHINE[0], "localhost", "127.0.0.1", "::1"}

Settings = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TableRun:
    """One line of a table: a job at a place. `taken_at` is the date as it was typed."""

    taken_at: str
    place: str
    url: str | None
    job: Total


def read(text: str) -> list[TableRun]:
    """The runs of a table, in its order.

    Remote runs must say their payload and speed; the speed of local ones is not looked at.

    Raises:
        UsageError: naming the first line and column that cannot be meant; or there is no run.
    """
    lines = [
        line
        for line in sheet.lines(text, _COLUMNS)
        if not (line.cells.get(_CELL) and line.cells.get(_ERROR))
    ]
    if not lines:
        raise UsageError("The table holds no run.", hint=_COLUMNS.hint)
    return _set_alike([(_settings(line), _run(line)) for line in lines])


def _settings(line: sheet.SheetRow) -> Settings:
    """What was set for a study's line; other people's have no settings that we know."""
    return tuple(line.cells.get(name, "") if line.cells.get(_CELL) else "" for name in _SETTINGS)


def _set_alike(runs: Sequence[tuple[Settings, TableRun]]) -> list[TableRun]:
    """Of each place the runs for which the same was set, as one line goes through all of them."""

    def merit(way: tuple[str, Settings]) -> tuple[int, float]:
        same = [run for settings, run in runs if (run.place, settings) == way]
        per_image_s = sum(run.job.total_s for run in same) / sum(run.job.images for run in same)
        return -sum(map(bool, way[1])), -per_image_s

    ways = sorted({(run.place, settings) for settings, run in runs})
    best = dict(sorted(ways, key=merit))  # of each place the last counts
    return [run for settings, run in runs if settings == best[run.place]]


def _run(line: sheet.SheetRow) -> TableRun:
    place, url = _place(line)
    value = line.needed if place == _AWAY else line.value
    images, payload_bytes = line.needed(_IMAGES, _count), value(_PAYLOAD, size_bytes)
    speed = None if place in _ON_THIS_MACHINE else value(_SPEED, _speed)
    transfer_s = payload_bytes / speed if payload_bytes and speed else 0.0
    job = Total(images, payload_bytes, transfer_s, line.needed(_EXECUTION, duration_s))
    line.value(_INFERENCE, partial(duration_s, zero_ok=True))  # part of the execution
    return TableRun(line.cells.get(_DATE, ""), place, url, job)


def _place(line: sheet.SheetRow) -> tuple[str, str | None]:
    """Where a run was, and its address: of a study's as it says, as a tunnel's end is here."""
    told = line.cells.get(_PLACE, "") if line.cells.get(_CELL) else ""
    if not is_name(told):
        return line.needed(_LOCATION, _location)
    location = line.cells.get(_LOCATION, "")
    return told, location if "://" in location else None


def _count(text: str, *, option: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}(\.0)?", text) or not float(text):
        raise UsageError(f"{option} takes a number of images, not {text!r}.")
    return int(float(text))


def _speed(text: str, *, option: str) -> float:
    if text[-1].isdecimal():
        raise UsageError(
            f"{option} names no unit: {text!r} may be bits or bytes.", hint="For instance: 1.2MB/s"
        )
    return rate_bytes_per_s(text, option=option)


def _location(text: str, *, option: str) -> tuple[str, str | None]:
    here, container = _ON_THIS_MACHINE
    if text == container:
        return container, None
    try:
        address = urlsplit(text if "://" in text else f"//{text}")
        host = address.hostname
    except ValueError:
        address, host = urlsplit(""), None
    if host in _HERE or text in _HERE:
        return here, None
    if host and address.scheme in {"http", "https"}:
        return _AWAY, text
    if text.casefold().split()[0] == "aws":
        return _AWAY, None
    raise UsageError(
        f"{option} takes a place, not {text!r}.",
        hint="It is AWS, a server's URL, container, or local.",
    )
