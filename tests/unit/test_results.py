import errno
import fcntl
import json
import os
import platform
from pathlib import Path
from typing import Any

import pytest

from offload.domain.errors import OffloadError, UsageError
from offload.domain.results import Row, image_id
from offload.domain.timing import Durations
from offload.domain.vision import Box, Detection
from offload.drivers.folders.results_dir import opened
from tests.drawing import saved

SETTINGS = {"model_sha256": "a", "min_score": 0.25}
LABELS = {1: "person", 18: "dog"}
DOG = Detection("dog", 18, 0.9, Box(0.25, 0.5, 0.75, 1.0))


def row(path: str, photos: Path | None = None, **rest: Any) -> Row:
    known: dict[str, Any] = {"width": 200, "height": 100, "bytes": 1, "mtime_ns": 1, "sha256": "x"}
    if photos:
        status = (photos / path).stat()
        known |= {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns}
    known |= {"detections": (DOG,), "durations": Durations(infer_s=0.01)} | rest
    return Row(path, "fake", "a", "local", **known)


def write(folder: Path, *rows: Row, formats: tuple[str, ...] = ()) -> None:
    with opened(str(folder), SETTINGS, overwrite=False) as results:
        results.write_run({"settings": SETTINGS})
        for one in rows:
            results.append(one)
        results.export(formats, LABELS, {"offload": "test"})


def log(folder: Path) -> list[Row]:
    lines = (folder / "detections.jsonl").read_text().splitlines()
    return [Row.from_dict(json.loads(line)) for line in lines]


def test_a_row_survives_the_way_through_json() -> None:
    for one in (row("a.jpg"), row("b/ü.jpg", error="gone", detections=(), width=None)):
        assert Row.from_dict(json.loads(json.dumps(one.to_dict()))) == one


def test_rows_are_on_disk_as_soon_as_they_are_appended(tmp_path: Path) -> None:
    with opened(str(tmp_path), SETTINGS, overwrite=False) as results:
        results.append(row("a.jpg"))
        assert [one.path for one in log(tmp_path)] == ["a.jpg"]


def test_half_a_line_left_by_a_kill_is_dropped_and_its_image_done_again(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    saved(photos / "a.jpg")
    saved(photos / "b.jpg")
    write(tmp_path, row("a.jpg", photos), row("b.jpg", photos))
    file = tmp_path / "detections.jsonl"
    file.write_bytes(file.read_bytes()[:-30])
    with opened(str(tmp_path), SETTINGS, overwrite=False) as results:
        assert results.index.holds(str(photos), "a.jpg")
        assert not results.index.holds(str(photos), "b.jpg")
    assert [one.path for one in log(tmp_path)] == ["a.jpg"]


def test_an_image_that_changed_since_is_done_again(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photo = saved(photos / "a.jpg")
    write(tmp_path, row("a.jpg", photos))
    photo.write_bytes(photo.read_bytes() + b"more")
    with opened(str(tmp_path), SETTINGS, overwrite=False) as results:
        assert not results.index.holds(str(photos), "a.jpg")


def test_an_image_that_was_only_touched_is_not(tmp_path: Path) -> None:
    from offload.drivers.folders.files import sha256_of

    photos = tmp_path / "photos"
    photo = saved(photos / "a.jpg")
    write(tmp_path, row("a.jpg", photos, sha256=sha256_of(str(photo)), mtime_ns=1))
    with opened(str(tmp_path), SETTINGS, overwrite=False) as results:
        assert results.index.holds(str(photos), "a.jpg")
    photo.write_bytes(b"x" * photo.stat().st_size)
    with opened(str(tmp_path), SETTINGS, overwrite=False) as results:
        assert not results.index.holds(str(photos), "a.jpg"), "same size, other content"


def test_a_failed_image_is_tried_again_and_its_new_row_replaces_the_old(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    saved(photos / "a.jpg")
    write(tmp_path, row("a.jpg", photos, error="damaged", detections=()), row("z.jpg"))
    with opened(str(tmp_path), SETTINGS, overwrite=False) as results:
        assert not results.index.holds(str(photos), "a.jpg")
        results.append(row("a.jpg", photos))
        results.export((), LABELS, {})
        assert results.index.holds(str(photos), "a.jpg")
    assert [(one.path, one.error) for one in log(tmp_path)] == [("z.jpg", None), ("a.jpg", None)]


def test_other_settings_are_refused_with_the_way_out(tmp_path: Path) -> None:
    write(tmp_path, row("a.jpg"))
    with (
        pytest.raises(UsageError, match=r"min_score: 0\.25 then, 0\.5 now") as caught,
        opened(str(tmp_path), SETTINGS | {"min_score": 0.5}, overwrite=False),
    ):
        pass
    assert "--overwrite" in caught.value.hint


def test_overwrite_begins_anew_and_removes_only_what_is_ours(tmp_path: Path) -> None:
    write(tmp_path, row("a.jpg"), formats=("coco", "csv", "json"))
    (tmp_path / "mine.txt").write_text("keep")
    with opened(str(tmp_path), {"other": 1}, overwrite=True) as results:
        results.write_run({"settings": {"other": 1}})
    names = sorted(file.name for file in tmp_path.iterdir() if not file.name.startswith("."))
    assert names == ["detections.jsonl", "mine.txt", "run.json"]


def test_two_runs_cannot_write_to_one_folder(tmp_path: Path) -> None:
    with (
        opened(str(tmp_path), SETTINGS, overwrite=False),
        pytest.raises(OffloadError, match="Another run is writing") as caught,
        opened(str(tmp_path), SETTINGS, overwrite=False),
    ):
        pass
    assert f"(process {os.getpid()} on {platform.node()})" in str(caught.value)


def test_a_file_system_without_locks_is_not_said_to_be_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_file: int, _how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with (
        pytest.raises(UsageError, match="its file system has no locks, as some network") as caught,
        opened(str(tmp_path), SETTINGS, overwrite=False),
    ):
        pass
    assert "room" not in caught.value.hint
    assert "--out" in caught.value.hint


def test_a_file_in_the_way_of_the_folder_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with (
        pytest.raises(UsageError, match="Cannot write results"),
        opened(str(tmp_path / "out"), SETTINGS, overwrite=False),
    ):
        pass


def test_coco_is_a_whole_document_with_boxes_in_pixels(tmp_path: Path) -> None:
    failed = row("c.jpg", error="damaged", detections=())
    write(tmp_path, row("b.jpg"), failed, row("a/b.jpg"), formats=("coco",))
    document = json.loads((tmp_path / "coco.json").read_text())
    assert document["images"] == [
        {"id": image_id("a/b.jpg"), "file_name": "a/b.jpg", "width": 200, "height": 100},
        {"id": image_id("b.jpg"), "file_name": "b.jpg", "width": 200, "height": 100},
    ]
    assert document["annotations"][1] == {
        "id": 2, "image_id": image_id("b.jpg"), "category_id": 18,
        "bbox": [100.0, 25.0, 100.0, 50.0], "area": 5000.0, "segmentation": [], "iscrowd": 0,
        "score": 0.9,
    }  # fmt: skip
    assert [c["name"] for c in document["categories"]] == ["person", "dog"]
    assert document["info"]["offload"] == "test"
    assert all(image["id"] < 2**53 for image in document["images"])


def test_coco_results_are_those_of_the_images_in_the_document(tmp_path: Path) -> None:
    write(
        tmp_path,
        row("b.jpg"),
        row("c.jpg", error="damaged", detections=()),
        formats=("coco-results",),
    )
    assert json.loads((tmp_path / "coco_results.json").read_text()) == [
        {
            "image_id": image_id("b.jpg"), "category_id": 18, "bbox": [100.0, 25.0, 100.0, 50.0],
            "score": 0.9,
        }
    ]  # fmt: skip


def test_megadetectors_format_has_every_image_with_its_boxes_or_its_failure(tmp_path: Path) -> None:
    rows = (row("b.jpg"), row("c.jpg", detections=()), row("d.jpg", error="damaged", detections=()))
    write(tmp_path, *rows, formats=("megadetector",))
    document = json.loads((tmp_path / "megadetector.json").read_text())
    assert document["info"]["format_version"] == "1.4"
    assert document["detection_categories"] == {"1": "person", "18": "dog"}
    size = {"width": 200, "height": 100}
    assert document["images"] == [
        {
            "file": "b.jpg", **size,
            "detections": [{"category": "18", "conf": 0.9, "bbox": [0.5, 0.25, 0.5, 0.5]}],
        },
        {"file": "c.jpg", **size, "detections": []},
        {"file": "d.jpg", "failure": "damaged", "detections": None},
    ]  # fmt: skip


def test_csv_has_a_line_for_each_detection_and_one_for_images_without(tmp_path: Path) -> None:
    import csv

    rows = (row("a,b.jpg"), row("b.jpg", detections=()), row("c.jpg", detections=(DOG, DOG)))
    write(tmp_path, *rows, row("d.jpg", error="damaged", detections=()), formats=("csv",))
    with (tmp_path / "detections.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["path"], line["label"], line["error"]) for line in lines] == [
        ("a,b.jpg", "dog", ""), ("b.jpg", "", ""), ("c.jpg", "dog", ""), ("c.jpg", "dog", ""),
        ("d.jpg", "", "damaged"),
    ]  # fmt: skip
    assert lines[0]["model_sha256"] == "a"


def test_json_holds_every_row_and_the_model(tmp_path: Path) -> None:
    write(tmp_path, row("b.jpg"), row("a.jpg"), formats=("json",))
    document = json.loads((tmp_path / "detections.json").read_text())
    assert [image["path"] for image in document["images"]] == ["a.jpg", "b.jpg"]
    assert document["run"] == {"offload": "test"}


def test_documents_of_no_image_at_all_are_still_valid(tmp_path: Path) -> None:
    write(tmp_path, formats=("coco", "coco-results", "megadetector", "csv", "json"))
    assert json.loads((tmp_path / "coco_results.json").read_text()) == []
    assert json.loads((tmp_path / "megadetector.json").read_text())["images"] == []
    assert json.loads((tmp_path / "coco.json").read_text())["images"] == []
    assert json.loads((tmp_path / "detections.json").read_text())["images"] == []


def test_a_folder_of_schema_version_1_is_continued(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    saved(photos / "a.jpg")
    write(tmp_path, row("a.jpg", photos, durations=Durations(upload_wait_s=0.5)))
    file = tmp_path / "detections.jsonl"
    document = json.loads(file.read_text())
    document["durations"]["turn_s"] = document["durations"].pop("upload_wait_s")
    file.write_text(json.dumps(document | {"schema": 1}) + "\n")
    with opened(str(tmp_path), SETTINGS, overwrite=False) as results:
        assert results.index.holds(str(photos), "a.jpg")
    assert [one.durations.upload_wait_s for one in log(tmp_path)] == [0.5]
