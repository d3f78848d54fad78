"""COCO, CSV and JSON documents written row by row, however many there are."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TextIO

from offload.domain.results import (
    CSV_COLUMNS,
    SCHEMA,
    Json,
    Row,
    coco_annotations,
    coco_categories,
    coco_image,
    csv_lines,
)

Rows = Callable[[], Iterator[Row]]
"""Gives all rows in their order, as often as it is called."""


def write_coco(file: TextIO, rows: Rows, labels: Mapping[int, str], run: Json) -> None:
    """A COCO document of the images that were detected, numbered from 1."""

    def detected() -> Iterator[tuple[int, Row]]:
        return enumerate((row for row in rows() if row.error is None), 1)

    seen: set[tuple[int, str]] = set()

    def annotations() -> Iterator[Json]:
        next_id = 1
        for number, row in detected():
            seen.update((d.class_id, d.label) for d in row.detections)
            yield from coco_annotations(row, number, next_id)
            next_id += len(row.detections)

    file.write(f'{{"info": {_text(run)},\n"images": [')
    _write_list(file, (coco_image(row, number) for number, row in detected()))
    file.write('],\n"annotations": [')
    _write_list(file, annotations())
    file.write(f'],\n"categories": {_text(coco_categories(labels, seen))}}}\n')


def write_csv(file: TextIO, rows: Rows, labels: Mapping[int, str], run: Json) -> None:
    """A line per detection; the model is in each."""
    del labels, run
    writer = csv.DictWriter(file, CSV_COLUMNS, restval="", extrasaction="ignore")
    writer.writeheader()
    for row in rows():
        writer.writerows(csv_lines(row))


def write_json(file: TextIO, rows: Rows, labels: Mapping[int, str], run: Json) -> None:
    """All rows, and the model they are from."""
    del labels
    file.write(f'{{"schema": {SCHEMA}, "run": {_text(run)},\n"images": [')
    _write_list(file, (row.to_json() for row in rows()))
    file.write("]}\n")


def _write_list(file: TextIO, items: Iterable[Json]) -> None:
    glue = "\n"
    for item in items:
        file.write(glue + _text(item))
        glue = ",\n"
    file.write("\n")


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
