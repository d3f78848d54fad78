"""The documents that are made of all rows, in a folder here or in a store."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, TextIO

from offload.domain import results
from offload.domain.results import SCHEMA, Json, Row
from offload.drivers.folders import parquet
from offload.drivers.folders.parquet import Rows

FORMATS = {
    "jsonl": "detections.jsonl",
    "coco": "coco.json",
    "csv": "detections.csv",
    "json": "detections.json",
    "parquet": "detections.parquet",
}
"""What `--format` takes -> the file it makes. In a folder the first is always written: it is the
log.
"""


def check(formats: Sequence[str]) -> None:
    """See that what the formats need is installed, before anything is done.

    Raises:
        UsageError: it is not.
    """
    if "parquet" in formats:
        parquet.library()


@contextmanager
def _as_text(file: IO[bytes]) -> Iterator[TextIO]:
    """The file for text; half a surrogate becomes what JSON has for it."""
    text = io.TextIOWrapper(file, "utf-8", "backslashreplace", newline="")
    try:
        yield text
    finally:
        text.detach()  # else the file is closed with it


def _write_jsonl(file: TextIO, rows: Rows, _labels: Mapping[int, str], _run: Json) -> None:
    file.writelines(
        json.dumps(row.to_dict(), ensure_ascii=False, separators=(",", ":")) + "\n"
        for row in rows()
    )


def _write_coco(file: TextIO, rows: Rows, labels: Mapping[int, str], run: Json) -> None:
    """The images that were detected, numbered from 1."""
    seen: set[tuple[int, str]] = set()

    def detected() -> Iterator[tuple[int, Row]]:
        return enumerate((row for row in rows() if row.error is None), 1)

    def annotations() -> Iterator[Json]:
        next_id = 1
        for number, row in detected():
            seen.update((d.class_id, d.label) for d in row.detections)
            yield from results.coco_annotations(row, number, next_id)
            next_id += len(row.detections)

    images = (
        {"id": number, "file_name": row.path, "width": row.width, "height": row.height}
        for number, row in detected()
    )
    categories = results.coco_categories(labels, seen)
    _write_lists(
        file, {"info": run}, images=images, annotations=annotations(), categories=categories
    )


def _write_csv(file: TextIO, rows: Rows, _labels: Mapping[int, str], _run: Json) -> None:
    writer = csv.DictWriter(file, results.CSV_COLUMNS, restval="", extrasaction="ignore")
    writer.writeheader()
    for row in rows():
        writer.writerows(results.csv_lines(row))


def _write_json(file: TextIO, rows: Rows, _labels: Mapping[int, str], run: Json) -> None:
    _write_lists(file, {"schema": SCHEMA, "run": run}, images=(row.to_dict() for row in rows()))


def _write_lists(file: TextIO, head: Json, **lists: Iterable[Json]) -> None:
    """A JSON document of `head` and of `lists` that need not fit in memory."""
    file.write(json.dumps(head, ensure_ascii=False).removesuffix("}"))
    for name, items in lists.items():
        file.write(f',\n"{name}": [')
        glue = "\n"
        for item in items:
            file.write(glue + json.dumps(item, ensure_ascii=False))
            glue = ",\n"
        file.write("\n]")
    file.write("}\n")


Write = Callable[[IO[bytes], Rows, Mapping[int, str], Json], None]


def _text(write: Callable[[TextIO, Rows, Mapping[int, str], Json], None]) -> Write:
    def encoded(file: IO[bytes], rows: Rows, labels: Mapping[int, str], run: Json) -> None:
        with _as_text(file) as text:
            write(text, rows, labels, run)

    return encoded


WRITERS: dict[str, Write] = {
    "jsonl": _text(_write_jsonl),
    "coco": _text(_write_coco),
    "csv": _text(_write_csv),
    "json": _text(_write_json),
    "parquet": parquet.write,
}
"""What writes a format: to a file, of rows, with classes by id, and what is said of the run."""
