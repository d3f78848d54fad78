"""The page of annotated pictures, and what it is made of."""

import io
import json
import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import offload
from offload.domain.results import Row
from offload.domain.vision import Box, Detection
from offload.drivers.folders import gallery
from offload.drivers.images import pictures
from tests.drawing import saved

BOX = Box(0.1, 0.1, 0.9, 0.9)


def row(path: str, *labels: str, error: str | None = None) -> Row:
    found = tuple(Detection(label, len(label), 0.9, BOX) for label in labels)
    return Row(path, "fake", "a", "local", found, 64, 48, error=error)


def page(*rows: Row) -> str:
    file = io.StringIO()
    gallery.write(file, rows, "fake", 0.5)
    return file.getvalue()


def data(text: str) -> Any:
    [found] = re.findall(
        r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL
    )
    return json.loads(found)


def test_the_page_has_each_image_with_its_objects_and_counts_what_failed() -> None:
    held = data(page(row("a.jpg", "dog", "dog"), row("b.jpg"), row("c.jpg", error="damaged")))
    assert held == {
        "images": [["a.jpg", 0, 0.9, 0, 0.9], ["b.jpg"]],
        "classes": [[3, "dog"]],
        "failed": 1,
        "model": "fake",
        "min_score": 0.5,
    }


def test_names_of_files_and_classes_cannot_end_the_data_or_lead_elsewhere() -> None:
    hostile = "</script><img src=x onerror=alert(1)>"
    text = page(row(f"{hostile}.jpg", hostile), row("javascript:alert(1)"), row(r"caf\xe9/#1?.jpg"))
    assert text.count("</script") == page().count("</script")
    held = data(text)
    assert held["classes"] == [[len(hostile), hostile]]
    assert [image[0] for image in held["images"][1:]] == [
        "javascript%3Aalert%281%29",
        "caf%E9/%231%3F.jpg",
    ]


def test_the_page_is_written_image_by_image() -> None:
    class Nowhere(io.StringIO):
        written = 0

        def write(self, text: str) -> int:
            Nowhere.written += len(text)
            return len(text)

    def many() -> Iterator[Row]:
        return (row(f"{number:06}.jpg", "dog", "person") for number in range(5_000))

    tracemalloc.start()
    gallery.write(Nowhere(), many(), "fake", 0.5)
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert Nowhere.written > 140_000
    assert most_bytes < 300_000


def test_a_continued_run_writes_the_gallery_of_all_its_folder(tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    for names in (["a.jpg"], ["b.png", "sub/a.jpg"], []):
        for name in names:
            saved(photos / name, Image.new("RGB", (900, 600), "red"), "PNG")
        done = offload.detect(
            str(photos), recursive=True, model="builtin", out=str(out), annotate=True
        )
        assert len(list(done)) == len(names)
    held = data((out / "gallery.html").read_text())
    assert [image[0] for image in held["images"]] == ["a.jpg", "b.png", "sub/a.jpg"]
    for path, *_ in held["images"]:
        with Image.open(out / "thumbnails" / path) as small, Image.open(out / "annotated" / path):
            assert (small.format, small.size) == ("JPEG", (320, 213))


@pytest.mark.parametrize("min_score", [None, 0.3])
def test_half_sure_objects_are_drawn_only_if_asked_for_and_are_in_the_files_anyway(
    photos: Path, ssd: Path, ssd_labels: Path, tmp_path: Path, min_score: float | None
) -> None:
    photo = photos / "000000000009.jpg"
    [found] = offload.detect(
        str(photo), model=str(ssd), labels=str(ssd_labels), out=str(tmp_path), annotate=True,
        min_score=min_score,
    )  # fmt: skip
    shown = [d for d in found.detections if d.score >= (min_score or 0.5)]
    assert any(d.score < 0.5 for d in found.detections)
    assert (tmp_path / "annotated" / photo.name).read_bytes() == pictures.drawn(
        photo.read_bytes(), shown
    )[0]
    assert data((tmp_path / "gallery.html").read_text())["min_score"] == (0 if min_score else 0.5)


def test_without_annotated_pictures_there_is_no_gallery(tmp_path: Path) -> None:
    saved(tmp_path / "photos" / "a.jpg")
    list(offload.detect(str(tmp_path / "photos"), model="builtin", out=str(tmp_path / "out")))
    assert not (tmp_path / "out" / "gallery.html").exists()
