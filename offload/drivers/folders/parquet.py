"""Rows as Parquet: a line for each image, with its detections as a list."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, fields
from itertools import islice
from typing import IO, Any

from offload.domain.errors import UsageError
from offload.domain.results import SCHEMA, Json, Row
from offload.domain.timing import Durations

Rows = Callable[[], Iterator[Row]]
"""Gives all rows in their order, as often as it is called."""

_CHUNK = 256
"""Rows that are Python objects at a time: up to 300 detections each."""
_GROUP_ROWS = 100_000
_GROUP_BYTES = 64 * 2**20
"""A row group ends with the first of the two; it is in memory until then."""
_TEXT = ("path", "model", "model_sha256", "where", "sha256", "etag", "fallback", "error", "note")
_BOX = ("ymin", "xmin", "ymax", "xmax")


def library() -> Any:
    """The library, pyarrow.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UsageError(
            "Parquet needs pyarrow, which is not installed.",
            hint="To install it: pip install 'offload[parquet]'",
        ) from error
    return pyarrow


def write(file: IO[bytes], rows: Rows, labels: Mapping[int, str], run: Json) -> None:
    """A line for each of `rows`, compressed with zstd, in row groups of at most 100,000 rows or
    about 64 MiB. The schema's metadata has, as `offload`, a JSON document: how the rows came about
    and the classes by id.

    Raises:
        UsageError: pyarrow is not installed.
    """
    arrow = library()
    about = {"schema": SCHEMA, "run": run, "classes": {str(k): v for k, v in labels.items()}}
    schema = _schema(arrow).with_metadata({"offload": json.dumps(about)})
    with arrow.parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for group in _groups(arrow, schema, rows()):
            writer.write_table(group, row_group_size=_GROUP_ROWS)


def _groups(arrow: Any, schema: Any, rows: Iterator[Row]) -> Iterator[Any]:
    batches: list[Any] = []
    count = size = 0
    for chunk in _chunks(rows):
        batch = arrow.RecordBatch.from_pylist([_line(row) for row in chunk], schema)
        if batches and (count + len(chunk) > _GROUP_ROWS or size + batch.nbytes > _GROUP_BYTES):
            yield arrow.Table.from_batches(batches, schema)
            batches, count, size = [], 0, 0
        batches.append(batch)
        count, size = count + len(chunk), size + batch.nbytes
    if batches:
        yield arrow.Table.from_batches(batches, schema)


def _chunks(rows: Iterator[Row]) -> Iterator[list[Row]]:
    return iter(lambda: list(islice(rows, _CHUNK)), [])


def _line(row: Row) -> Json:
    plain = {name: _text(getattr(row, name)) for name in _TEXT}
    numbers = {name: getattr(row, name) for name in ("width", "height", "bytes", "mtime_ns")}
    found = [
        {"label": _text(d.label), "id": d.class_id, "score": d.score} | d.box._asdict()
        for d in row.detections
    ]
    more = {"sent_bytes": row.sent_bytes, "durations": asdict(row.durations)}
    return plain | numbers | more | {"detections": found}


def _text(value: str | None) -> str | None:
    """Half a surrogate, which Parquet cannot hold, becomes what the other documents have for it."""
    return None if value is None else value.encode("utf-8", "backslashreplace").decode()


def _schema(arrow: Any) -> Any:
    number = arrow.float64()
    detection = arrow.struct(
        [("label", arrow.string()), ("id", arrow.int32()), ("score", number)]
        + [(side, number) for side in _BOX]
    )
    return arrow.schema(
        [
            ("path", arrow.string()),
            ("width", arrow.int32()),
            ("height", arrow.int32()),
            ("bytes", arrow.int64()),
            ("detections", arrow.list_(detection)),
            *((name, arrow.string()) for name in ("error", "note", "where", "fallback")),
            ("sent_bytes", arrow.int64()),
            ("durations", arrow.struct([(each.name, number) for each in fields(Durations)])),
            *((name, arrow.string()) for name in ("model", "model_sha256", "sha256", "etag")),
            ("mtime_ns", arrow.int64()),
        ]
    )
