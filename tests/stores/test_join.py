"""Rows become documents in a store."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from offload.domain.errors import OffloadError
from offload.domain.results import Row
from offload.domain.vision import Box, Detection
from offload.drivers.folders import parquet
from offload.drivers.folders.results_formats import FORMATS
from offload.drivers.objects import store as stores
from offload.drivers.objects.documents import join
from tests.stores.s3 import Server, s3

__all__ = ["s3"]

FOUND = Detection("cat", 17, 0.7, Box(0.1, 0.2, 0.5, 0.6))
ROWS = [
    Row("a.jpg", "m", "0" * 64, "local", (FOUND, FOUND), 640, 480, 1000, etag='"e"'),
    Row("b.jpg", "m", "0" * 64, "local", (), 640, 480, 1000),
    Row("c\udce9.jpg", "m", "0" * 64, "local", error="it is empty"),
]
LABELS = {17: "cat", 18: "dog"}


def test_every_format_is_written_to_a_store(tmp_path: Path) -> None:
    out = stores.opened(str(tmp_path))
    join(lambda: iter(ROWS), FORMATS, out, LABELS, {"offload": "1"})
    assert {each.key for each in out.list()} == set(FORMATS.values())
    lines = (tmp_path / "detections.jsonl").read_text().splitlines()
    assert [Row.from_dict(json.loads(line)) for line in lines] == ROWS
    coco = json.loads((tmp_path / "coco.json").read_text())
    assert (len(coco["images"]), len(coco["annotations"])) == (2, 2)
    assert len(json.loads((tmp_path / "detections.json").read_text())["images"]) == len(ROWS)
    assert len(list(csv.DictReader(io.StringIO((tmp_path / "detections.csv").read_text())))) == 4


def test_a_line_of_parquet_is_an_image_with_its_detections(tmp_path: Path) -> None:
    join(lambda: iter(ROWS), ["parquet"], stores.opened(str(tmp_path)), LABELS, {"offload": "1"})
    table = pq.read_table(tmp_path / "detections.parquet")
    lines: list[dict[str, Any]] = table.to_pylist()
    assert [line["path"] for line in lines] == ["a.jpg", "b.jpg", "c\\udce9.jpg"]
    assert [len(line["detections"]) for line in lines] == [2, 0, 0]
    cat = {"label": "cat", "id": 17, "score": 0.7} | FOUND.box._asdict()
    assert lines[0]["detections"] == [cat, cat]
    assert (lines[0]["etag"], lines[2]["error"]) == ('"e"', "it is empty")
    about = json.loads(table.schema.metadata[b"offload"])
    assert about["classes"] == {"17": "cat", "18": "dog"}


def test_no_group_of_parquet_holds_more_than_its_bound(tmp_path: Path) -> None:
    def many() -> Iterator[Row]:
        return (replace(ROWS[1], path=f"{n}.jpg") for n in range(100_001))

    join(many, ["parquet"], stores.opened(str(tmp_path)), LABELS, {})
    about = pq.ParquetFile(tmp_path / "detections.parquet").metadata
    assert about.num_rows == 100_001
    assert all(about.row_group(n).num_rows <= 100_000 for n in range(about.num_row_groups))
    assert about.num_row_groups == 2


@pytest.mark.parametrize("name", FORMATS)
def test_a_document_is_whole_or_not_there(tmp_path: Path, name: str) -> None:
    def broken() -> Iterator[Row]:
        yield from ROWS
        raise ValueError("gone")

    out = stores.opened(str(tmp_path))
    with pytest.raises(ValueError, match="gone"):
        join(broken, [name], out, LABELS, {})
    assert not list(out.list())


def test_a_document_of_several_parts_arrives_in_s3(s3: Server) -> None:
    def many() -> Iterator[Row]:
        return (replace(ROWS[0], path=f"{n:06}.jpg") for n in range(40_000))

    join(many, ["jsonl", "parquet"], stores.opened("s3://bucket/rows"), LABELS, {})
    lines = s3.bucket.objects["rows/detections.jsonl"].splitlines()
    assert len(lines) == 40_000
    assert json.loads(lines[-1])["path"] == "039999.jpg"
    table = pq.read_table(io.BytesIO(s3.bucket.objects["rows/detections.parquet"]))
    assert table.num_rows == 40_000


def test_a_store_that_refuses_ends_a_document_in_a_sentence(s3: Server) -> None:
    s3.trouble = lambda method, _key, _before: "403 AccessDenied" if method == "PUT" else None
    with pytest.raises(OffloadError, match=r"detections\.jsonl is refused: AccessDenied"):
        join(lambda: iter(ROWS), ["jsonl"], stores.opened("s3://bucket/rows"), LABELS, {})
    assert not s3.bucket.objects


def test_no_rows_are_a_document_too(tmp_path: Path) -> None:
    with (tmp_path / "empty.parquet").open("wb") as file:
        parquet.write(file, lambda: iter(()), LABELS, {})
    assert pq.read_table(tmp_path / "empty.parquet").num_rows == 0
