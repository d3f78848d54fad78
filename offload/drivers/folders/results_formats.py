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
    "coco-results": "coco_results.json",
    "megadetector": "megadetector.json",
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
    """The images that were detected."""
    seen: set[tuple[int, str]] = set()

    def annotations() -> Iterator[Json]:
        next_id = 1
        for row in _detected(rows):
            seen.update((d.class_id, d.label) for d in row.detections)
            yield from results.coco_annotations(row, results.image_id(row.path), next_id)
            next_id += len(row.detections)

    images = (
        {
            "id": results.image_id(row.path), "file_name": row.path,
            "width": row.width, "height": row.height,
        }
        for row in _detected(rows)
    )  # fmt: skip
    categories = results.coco_categories(labels, seen)
    head = {"info": {"description": "objects found by offload", **run}, "licenses": []}
    _write_lists(file, head, images=images, annotations=annotations(), categories=categories)


def _write_coco_results(file: TextIO, rows: Rows, _labels: Mapping[int, str], _run: Json) -> None:
    """What `COCO.loadRes` takes: detections alone, of images by the ids that coco.json has."""
    kept = ("image_id", "category_id", "bbox", "score")
    found = (
        {name: each[name] for name in kept}
        for row in _detected(rows)
        for each in results.coco_annotations(row, results.image_id(row.path), 1)
    )
    _write_list(file, found)
    file.write("\n")


def _write_megadetector(file: TextIO, rows: Rows, labels: Mapping[int, str], run: Json) -> None:
    """What Timelapse and AddaxAI read: version 1.4 of MegaDetector's format
    (https://lila.science/megadetector-output-format).
    """
    seen = {(d.class_id, d.label) for row in rows() for d in row.detections}
    categories = {str(each["id"]): each["name"] for each in results.coco_categories(labels, seen)}
    info = {"format_version": "1.4", "detector": run.get("model", {}).get("name"), "offload": run}
    head = {"info": info, "detection_categories": categories}
    _write_lists(file, head, images=map(results.megadetector_image, rows()))


def _detected(rows: Rows) -> Iterator[Row]:
    return (row for row in rows() if row.error is None)


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
        file.write(f',\n"{name}": ')
        _write_list(file, items)
    file.write("}\n")


def _write_list(file: TextIO, items: Iterable[Json]) -> None:
    glue = "[\n"
    for item in items:
        file.write(glue + json.dumps(item, ensure_ascii=False))
        glue = ",\n"
    file.write("\n]" if glue == ",\n" else "[]")


Write = Callable[[IO[bytes], Rows, Mapping[int, str], Json], None]


def _text(write: Callable[[TextIO, Rows, Mapping[int, str], Json], None]) -> Write:
    def encoded(file: IO[bytes], rows: Rows, labels: Mapping[int, str], run: Json) -> None:
        with _as_text(file) as text:
            write(text, rows, labels, run)

    return encoded


WRITERS: dict[str, Write] = {
    "jsonl": _text(_write_jsonl),
    "coco": _text(_write_coco),
    "coco-results": _text(_write_coco_results),
    "megadetector": _text(_write_megadetector),
    "csv": _text(_write_csv),
    "json": _text(_write_json),
    "parquet": parquet.write,
}
"""What writes a format: to a file, of rows, with classes by id, and what is said of the run."""
