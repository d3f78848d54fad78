"""`offload batch` on folders, from end to end."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from offload.version import __version__
from tests.batch.folders import document, filled, paths, rows
from tests.conftest import Offload, on_a_terminal

COMPACT: dict[str, Any] = {"ensure_ascii": False, "separators": (",", ":")}
HERE = ("--model", "builtin", "--workers", "1")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Forty pictures."""
    return filled(tmp_path / "photos", 40)


def test_every_image_has_one_row(offload: Offload, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows"
    run = offload("batch", images, "--out", out, *HERE, "--shard-images", "7")
    assert run.returncode == 0, run.stderr
    assert paths(out) == {path.name: 1 for path in images.iterdir()}
    index = document(out, "index.json")
    assert (index["images"], index["failed"], index["shards"]) == (40, 0, 6)
    assert index["complete"]


def test_an_image_that_is_none_is_a_row(offload: Offload, images: Path, tmp_path: Path) -> None:
    (images / "0007.jpg").write_bytes(b"no picture")
    (images / "0008.jpg").write_bytes(b"")
    out = tmp_path / "rows"
    run = offload("batch", images, "--out", out, *HERE)
    assert run.returncode == 3, run.stderr
    failed = {row["path"]: row["error"] for row in rows(out) if row["error"]}
    assert failed.keys() == {"0007.jpg", "0008.jpg"}
    assert document(out, "index.json")["failed"] == 2


def test_the_same_command_does_what_is_missing(
    offload: Offload, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "rows"
    command = ("batch", images, "--out", out, *HERE, "--shard-images", "10")
    offload(*command)
    gone, *kept = sorted((out / "rows").iterdir())
    before = {each: each.read_bytes() for each in kept}
    gone.unlink()
    run = offload(*command)
    assert run.returncode == 0, run.stderr
    assert before == {each: each.read_bytes() for each in kept}
    assert set(paths(out).values()) == {1}
    assert document(out, "index.json")["images"] == 40


def test_other_settings_are_refused(offload: Offload, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows"
    offload("batch", images, "--out", out, *HERE)
    run = offload("batch", images, "--out", out, *HERE, "--min-score", "0.9")
    assert run.returncode == 2
    assert "min_score: 0.5 then, 0.9 now" in run.stderr


def test_a_source_without_images_is_refused(offload: Offload, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    run = offload("batch", tmp_path / "empty", "--out", tmp_path / "rows", *HERE)
    assert run.returncode == 2
    assert "There are no images in" in run.stderr


def test_a_source_that_is_not_there_is_not_made(offload: Offload, tmp_path: Path) -> None:
    run = offload("batch", tmp_path / "none", "--out", tmp_path / "rows", *HERE)
    assert run.returncode == 2
    assert not (tmp_path / "none").exists()


def test_a_process_does_the_one_shard_it_is_told(
    offload: Offload, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "rows"
    offload("batch", images, "--out", out, *HERE, "--shard-images", "10")
    gone = sorted((out / "rows").iterdir())[2]
    gone.unlink()
    (out / "todo.json").write_text("[3, 2]")
    worker = ("batch", "worker", "--out", out, "--todo", "todo.json", "--index")
    other = offload(*worker, "1", "--expects", "0.0.1")
    assert (other.returncode, gone.exists()) == (1, False)
    assert f"This image has offload {__version__}, and offload 0.0.1 began" in other.stderr
    run = offload(*worker, "1", "--expects", __version__)
    assert run.returncode == 0, run.stderr
    assert gone.exists()
    assert offload(*worker, "2").returncode == 1


def test_a_shard_that_has_its_rows_is_not_done_again(
    offload: Offload, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "rows"
    offload("batch", images, "--out", out, *HERE, "--shard-images", "10")
    shutil.rmtree(out / "manifest")  # without its list it cannot be
    (out / "todo.json").write_text("[3]")
    run = offload("batch", "worker", "--out", out, "--todo", "todo.json", "--index", "0")
    assert run.returncode == 0, run.stderr
    assert "its rows were there already" in run.stderr


def test_all_rows_are_joined_in_the_formats_that_are_asked_for(
    offload: Offload, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "rows"
    run = offload("batch", images, "--out", out, *HERE, "--format", "jsonl,coco,csv")
    assert run.returncode == 0, run.stderr
    lines = (out / "detections.jsonl").read_text().splitlines()
    assert sorted(lines) == sorted(json.dumps(row, **COMPACT) for row in rows(out))
    coco = document(out, "coco.json")
    assert len(coco["images"]) == 40
    assert len(coco["annotations"]) == document(out, "index.json")["objects"]
    assert (out / "detections.csv").read_text().startswith("path,")


def test_who_watches_sees_shards_images_and_what_is_left(images: Path, tmp_path: Path) -> None:
    command = ("batch", images, "--out", tmp_path / "rows", *HERE, "--shard-images", "10")
    code, seen = on_a_terminal(*command)
    assert code == 0
    assert re.search(r"[1-4]/4 shards, [\d.]+ images/s, ETA ", seen), seen
    assert "40 images" in seen


def test_a_batch_is_known_by_its_name(offload: Offload, images: Path, tmp_path: Path) -> None:
    (images / "0007.jpg").write_bytes(b"no picture")
    out = tmp_path / "rows"
    offload("batch", images, "--out", out, *HERE, "--name", "mine")
    status = json.loads(offload("batch", "status", "mine", "--json").stdout)
    assert (status["images"], status["images_of"], status["cancelled"]) == (40, 40, False)
    assert "40 of 40" in offload("batch", "status", out).stdout
    assert offload("batch", "logs", "mine").stdout.startswith("0007.jpg: ")
    wrong = offload("batch", "status", "mime")
    assert wrong.returncode == 2
    assert "Did you mean mine?" in wrong.stderr


def test_a_cancelled_batch_begins_no_shard_and_goes_on_with_the_same_command(
    offload: Offload, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "rows"
    command = ("batch", images, "--out", out, *HERE, "--shard-images", "10")
    offload(*command)
    gone = min((out / "rows").iterdir())
    gone.unlink()
    assert offload("batch", "cancel", out).returncode == 0
    assert json.loads(offload("batch", "status", out, "--json").stdout)["cancelled"]
    (out / "todo.json").write_text("[0]")
    worker = offload("batch", "worker", "--out", out, "--todo", "todo.json", "--index", "0")
    assert (worker.returncode, gone.exists()) == (1, False)
    assert "The batch is cancelled." in worker.stderr
    assert offload(*command).returncode == 0
    assert set(paths(out).values()) == {1}


def test_an_image_that_changed_since_it_was_listed_is_a_row_that_says_so(
    offload: Offload, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "rows"
    command = ("batch", images, "--out", out, *HERE, "--shard-images", "40")
    offload(*command)
    next((out / "rows").iterdir()).unlink()
    (images / "0003.jpg").write_bytes((images / "0004.jpg").read_bytes() + b"more")
    (images / "0005.jpg").unlink()
    assert offload(*command).returncode == 3
    failed = {row["path"]: row["error"] for row in rows(out) if row["error"]}
    assert failed == {
        "0003.jpg": "it has changed since it was listed",
        "0005.jpg": "it is gone since it was listed",
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--max-cost", "1"), "--max-cost has no effect with --engine local"),
        (("--format", "cocoa"), "There is no format 'cocoa'. Did you mean coco?"),
        (("--name", "a/b"), "--name takes letters, digits, - and _"),
        (("--engine", "lokal"), "There is no engine 'lokal'. Did you mean local?"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_written(
    options: tuple[str, ...], said: str, offload: Offload, images: Path, tmp_path: Path
) -> None:
    run = offload("batch", images, "--out", tmp_path / "rows", *HERE, *options)
    assert run.returncode == 2
    assert said in run.stderr
    assert not list((tmp_path / "rows").glob("*"))
