"""The page of a folder's annotated pictures: one file that needs no server and no network."""

import json
import re
from collections.abc import Iterable
from importlib.resources import files
from typing import TextIO
from urllib.parse import quote

from offload.domain.results import Row

NAME = "gallery.html"
ANNOTATED, THUMBNAILS = "annotated", "thumbnails"
"""The folders of a results folder that have pictures, by the paths of the photos."""
_DATA = "$data"
_BYTES = re.compile(rb"\\x([89a-f][0-9a-f])")


def write(file: TextIO, rows: Iterable[Row], model: str, min_score: float) -> None:
    """The page of `rows`, in their order; at first it shows what scores `min_score` or more.

    Its data are JSON: for each image its address, then class and score of each object, the best
    first, a class being an index of `classes`, which are [id, name].
    """
    head, tail = files(__package__).joinpath(NAME).read_text(encoding="utf-8").split(_DATA)
    classes: dict[tuple[int, str], int] = {}
    failed = 0
    file.write(f'{head}{{"images": [')
    glue = "\n"
    for row in rows:
        if row.error is not None:
            failed += 1
            continue
        image: list[object] = [_address(row.path)]
        for d in row.detections:
            number = classes.setdefault((d.class_id, d.label), len(classes))
            image += number, round(d.score, 3)
        file.write(glue + _json(image))
        glue = ",\n"
    rest = {"classes": list(classes), "failed": failed, "model": model, "min_score": min_score}
    file.write(f"\n],{_json(rest)[1:]}{tail}")


def _address(path: str) -> str:
    """The path of a row as in a URL; bytes that are not UTF-8, which rows spell, are bytes."""
    plain = path.encode("utf-8", "backslashreplace")
    return quote(_BYTES.sub(lambda found: bytes.fromhex(found[1].decode()), plain))


def _json(value: object) -> str:
    """JSON that ends no element of the page it is in."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
