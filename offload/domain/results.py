"""One image's row and the documents that rows add up to. Pure conversions; files are elsewhere."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Self

from offload.domain.timing import Durations, with_new_names
from offload.domain.typed import Count, Positive, read
from offload.domain.vision import Detection, Detections

SHOWN_SCORE = 0.5  # what the table and --annotate show unless told otherwise; files keep the rest

SCHEMA = 2
"""Version of every JSON document we write; grows when a reader would have to change."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one image: its detections, or the reason there are none in `error`. For it
    `sent_bytes` left this process; `fallback` is why it was done at `where`, not where asked for;
    `note` is what else there is to say, as of a file that breaks off. `etag` is the version that a
    store says it read; a file has `mtime_ns`.
    """

    path: str
    model: str
    model_sha256: str
    where: str
    detections: tuple[Detection, ...] = ()
    width: Positive | None = None
    height: Positive | None = None
    bytes: Count | None = None
    sha256: str | None = None
    mtime_ns: int | None = None
    etag: str | None = None
    sent_bytes: Count = 0
    fallback: str | None = None
    durations: Durations = field(default_factory=Durations)
    error: str | None = None
    note: str | None = None

    @property
    def boxes_px(self) -> list[tuple[int, int, int, int]]:
        """The detections' boxes as (ymin, xmin, ymax, xmax) in pixels of the upright picture:
        `pixels[ymin:ymax, xmin:xmax]` is the content of a box.
        """
        height, width = self.height or 0, self.width or 0
        return [
            (round(ymin * height), round(xmin * width), round(ymax * height), round(xmax * width))
            for ymin, xmin, ymax, xmax in (d.box for d in self.detections)
        ]

    def to_dict(self) -> Json:
        """The row as JSON types, as it is in `detections.jsonl`; `box` is [ymin, xmin, ymax, xmax]
        in 0..1.
        """
        plain = {f: getattr(self, f) for f in _PLAIN_FIELDS}
        durations = {name: round(s, 6) for name, s in asdict(self.durations).items()}
        found = [
            {"label": d.label, "id": d.class_id, "score": d.score, "box": list(d.box)}
            for d in self.detections
        ]
        return {"schema": SCHEMA, **plain, "detections": found, "durations": durations}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Read back what `to_dict` made.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        found = [(d["label"], d["id"], d["score"], d["box"]) for d in document["detections"]]
        durations = with_new_names(document["durations"])
        row = read(cls, {**document, "detections": found, "durations": durations})
        if row.error is None and None in {row.width, row.height}:
            raise ValueError(row)
        return row


def printable(path: str) -> str:
    """`path` as text any stream and JSON reader takes: bytes that are not UTF-8 are escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def with_detections(row: Row, found: Detections, read_s: float) -> Row:
    """The row with what was detected, in a file that took `read_s` to read."""
    return replace(
        row,
        detections=found.found,
        width=found.width,
        height=found.height,
        durations=replace(found.durations, read_s=read_s),
    )


_PLAIN_FIELDS = tuple(f.name for f in fields(Row) if f.name not in {"detections", "durations"})

CSV_COLUMNS = (
    "path", "width", "height", "bytes", "label", "id", "score", "ymin", "xmin", "ymax", "xmax",
    "where", "sent_bytes", "read_s", "prepare_s", "upload_wait_s", "upload_s", "init_s", "queue_s",
    "decode_s", "infer_s", "download_s", "model", "model_sha256", "fallback", "error",
    "note",
)  # fmt: skip


def csv_lines(row: Row) -> Iterator[Json]:
    """A line for each detection; one line without label for an image that has none."""
    shared: Json = {name: getattr(row, name) for name in CSV_COLUMNS if name in _PLAIN_FIELDS}
    shared |= asdict(row.durations)
    for d in row.detections:
        yield shared | d.box._asdict() | {"label": d.label, "id": d.class_id, "score": d.score}
    if not row.detections:
        yield shared


def to_records(rows: Iterable[Row]) -> list[Json]:
    """A dictionary per detection, with its image's fields: the columns of
    `detections.csv`. An image without detections has none.
    """
    lines = (line for row in rows if row.detections for line in csv_lines(row))
    return [{name: line[name] for name in CSV_COLUMNS} for line in lines]


def image_id(path: str) -> int:
    """A number for an image that its path alone decides, so that others may come and go: 53 bits of
    the SHA-256, which every reader of JSON keeps exactly.
    """
    digest = hashlib.sha256(path.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:7], "big") >> 3


def coco_annotations(row: Row, image_id: int, first_id: int) -> Iterator[Json]:
    """The row's `annotations` entries: boxes in pixels as [x, y, width, height], with scores."""
    assert row.width is not None
    assert row.height is not None
    for number, d in enumerate(row.detections, first_id):
        x, y = d.box.xmin * row.width, d.box.ymin * row.height
        width = (d.box.xmax - d.box.xmin) * row.width
        height = (d.box.ymax - d.box.ymin) * row.height
        yield {
            "id": number,
            "image_id": image_id,
            "category_id": d.class_id,
            "bbox": [round(v, 2) for v in (x, y, width, height)],
            "area": round(width * height, 2),
            "segmentation": [],
            "iscrowd": 0,
            "score": d.score,
        }


def megadetector_image(row: Row) -> Json:
    """The row as MegaDetector's format has an image: boxes as [x, y, width, height] in 0..1, class
    ids as text; or why there is nothing.
    """
    if row.error is not None:
        return {"file": row.path, "failure": row.error, "detections": None}
    found = [
        {
            "category": str(d.class_id),
            "conf": d.score,
            "bbox": [
                round(v, 5)
                for v in (
                    d.box.xmin, d.box.ymin, d.box.xmax - d.box.xmin, d.box.ymax - d.box.ymin,
                )
            ],
        }
        for d in row.detections
    ]  # fmt: skip
    size = {"width": row.width, "height": row.height}
    return {"file": row.path, **size, "detections": found}


def coco_categories(labels: Mapping[int, str], seen: Iterable[tuple[int, str]]) -> Iterator[Json]:
    """The model's classes, and whatever else was found until it is read, ordered by id."""
    names = dict(seen) | dict(labels)
    for key in sorted(names):
        yield {"id": key, "name": names[key], "supercategory": ""}
