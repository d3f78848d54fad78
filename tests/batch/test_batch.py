"""`offload batch` on folders, from end to end."""

from pathlib import Path

import pytest

from tests.batch.folders import document, filled, paths, rows
from tests.conftest import Offload

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
    run = offload(*worker, "1")
    assert run.returncode == 0, run.stderr
    assert gone.exists()
    assert offload(*worker, "2").returncode == 1
