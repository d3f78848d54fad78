"""`offload detect` at a server gives what it gives here, and says what that took."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from offload.domain.results import Row
from tests.conftest import Offload
from tests.drawing import encoded, saved, scene
from tests.remote.rows import assert_same, rows
from tests.remote.served import Served, served

pytestmark = pytest.mark.xdist_group("remote")

BUILTIN = ("--model", "builtin")


@pytest.fixture
def remote(server: Served) -> tuple[str, ...]:
    return ("--where", "remote", "--url", server.url)


def assert_sent(row: dict[str, Any], size_bytes: int) -> None:
    """The row is of a picture that was detected there and says what that took."""
    assert (row["where"], row["fallback"], row["error"]) == ("remote", None, None)
    assert row["bytes"] == row["sent_bytes"] == size_bytes
    durations = row["durations"]
    assert min(durations.values()) >= 0
    for name in ("read_s", "upload_s", "decode_s", "infer_s", "download_s"):
        assert durations[name] > 0, name
    assert set(durations) == {
        "read_s", "prepare_s", "upload_wait_s", "upload_s", "init_s", "queue_s", "decode_s",
        "infer_s", "download_s",
    }  # fmt: skip


def test_every_picture_has_the_same_objects_there_as_here(
    offload: Offload, examples: Path, remote: tuple[str, ...]
) -> None:
    there = offload("detect", examples, "--json", "-v", *remote)
    assert there.returncode == 0, there.stderr
    here = offload("detect", examples, "--json", *BUILTIN)
    assert_same(rows(there.stdout), rows(here.stdout))
    for path, row in rows(there.stdout).items():
        assert_sent(row, (examples / path).stat().st_size)
        assert row.keys() == rows(here.stdout)[path].keys()
    assert sum(len(row["detections"]) for row in rows(there.stdout).values()) > 10
    assert re.search(r" images/s at remote with builtin$", there.stderr, re.MULTILINE)
    assert re.search(r"^0\.[1-9] MB sent$", there.stderr, re.MULTILINE)


def test_photos_have_the_same_objects_there_as_here(
    offload: Offload, photos: Path, ssd: Path, ssd_labels: Path, tmp_path: Path
) -> None:
    for photo in sorted(photos.glob("*.jpg"))[:48]:
        (tmp_path / photo.name).symlink_to(photo)
    model = ("--model", ssd, "--labels", ssd_labels)
    with served(*model) as server:
        command = ("detect", tmp_path, "--json", "--where", "remote", "--url", server.url)
        there = offload(*command, "--model", ssd)
    assert there.returncode == 0, there.stderr
    here = offload("detect", tmp_path, "--json", *model)
    found = rows(there.stdout)
    assert len(found) == 48
    assert_same(found, rows(here.stdout))
    for path, row in found.items():
        assert_sent(row, (photos / path).stat().st_size)


@pytest.mark.parametrize(
    "options",
    [
        ("--class", "person", "--min-score", "0.6"),
        ("--iou", "0.05", "--min-score", "0.05", "--max-detections", "3", "--class", "01"),
    ],
)
def test_what_to_keep_is_heard_there_too(
    offload: Offload, examples: Path, remote: tuple[str, ...], options: tuple[str, ...]
) -> None:
    there = rows(offload("detect", examples, "--json", *options, *remote).stdout)
    here = rows(offload("detect", examples, "--json", *options, *BUILTIN).stdout)
    assert_same(there, here)
    assert {d["label"] for row in there.values() for d in row["detections"]} == {"person"}


def test_an_unknown_class_is_wrong_usage_there_too(
    offload: Offload, examples: Path, remote: tuple[str, ...]
) -> None:
    done = offload("detect", examples, "--class", "unicorn", *remote)
    assert done.returncode == 2
    assert "no class 'unicorn'" in done.stderr


def test_the_results_folder_holds_the_same(
    offload: Offload, examples: Path, remote: tuple[str, ...], tmp_path: Path
) -> None:
    wishes = ("--annotate", "--format", "coco,csv,json")
    for name, where in (("there", remote), ("here", BUILTIN)):
        done = offload("detect", examples, "-o", tmp_path / name, *wishes, *where)
        assert done.returncode == 0, done.stderr
    there, here = tmp_path / "there", tmp_path / "here"
    names = [sorted(p.relative_to(f) for f in (d,) for p in d.rglob("*.*")) for d in (there, here)]
    assert names[0] == names[1]
    assert_same(
        rows((there / "detections.jsonl").read_text()),
        rows((here / "detections.jsonl").read_text()),
    )
    for drawn in (there / "annotated").iterdir():
        with Image.open(drawn) as one, Image.open(here / "annotated" / drawn.name) as two:
            assert (one.format, one.size) == (two.format, two.size)
    run = json.loads((there / "run.json").read_text())
    assert (run["place"], run["complete"]) == ("remote", True)
    assert run["totals"]["sent_bytes"] == run["totals"]["bytes"] > 0
    assert run["detected_on"]["usable_cores"] == run["host"]["usable_cores"]
    assert run["settings"] == json.loads((here / "run.json").read_text())["settings"]


def test_a_folder_of_results_is_continued_wherever_it_was_begun(
    offload: Offload, remote: tuple[str, ...], tmp_path: Path
) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    saved(photos / "a.jpg")
    assert offload("detect", photos, "-o", out, *BUILTIN).returncode == 0
    for name, said in (("b", "2 images (1 done before)"), ("c", "3 images (2 done before)")):
        saved(photos / f"{name}.jpg")
        again = offload("detect", photos, "-o", out, *remote)
        assert again.returncode == 0, again.stderr
        assert said in again.stderr
    assert "3 images, all done before" in offload("detect", photos, "-o", out, *remote).stderr
    found = rows((out / "detections.jsonl").read_text())
    assert {path: row["where"] for path, row in found.items()} == {
        "a.jpg": "local", "b.jpg": "remote", "c.jpg": "remote",
    }  # fmt: skip


def test_an_image_fails_there_with_the_very_words_it_fails_with_here(
    offload: Offload, remote: tuple[str, ...], tmp_path: Path
) -> None:
    folder = tmp_path / "mixed"
    saved(folder / "good.jpg")
    for kind, name in (("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"), ("TIFF", "tif"),
                       ("GIF", "gif"), ("BMP", "bmp")):  # fmt: skip
        whole = encoded(scene(300, 200), kind)
        for share in (1, 4, 9):
            (folder / f"{share}.{name}").write_bytes(whole[: len(whole) * share // 10])
    (folder / "text.jpg").write_text("no picture")
    (folder / "empty.jpg").touch()
    (folder / "large.png").write_bytes(encoded(Image.new("1", (2000, 1000))))
    (folder / os.fsdecode(b"caf\xe9.jpg")).write_bytes(encoded(scene(), "JPEG"))
    command = ("detect", folder, "--json", "--max-pixels", "1000000")
    there, here = offload(*command, *remote), offload(*command, *BUILTIN)
    assert there.returncode == here.returncode == 3
    reasons = {path: row["error"] for path, row in rows(there.stdout).items()}
    assert reasons == {path: row["error"] for path, row in rows(here.stdout).items()}
    assert reasons.pop("good.jpg") is None
    assert len([reason for reason in reasons.values() if reason]) > 15
    assert reasons["large.png"] == "2000 x 1000 pixels is more than --max-pixels 1000000"
    for path, reason in reasons.items():
        assert (f"failed: {path}: {reason}" in there.stderr) == (reason is not None)


def test_the_rows_read_back_are_rows(
    offload: Offload, examples: Path, remote: tuple[str, ...]
) -> None:
    done = offload("detect", examples / "red-bus.jpg", "--json", *remote)
    (row,) = rows(done.stdout).values()
    assert Row.from_dict(row).to_dict() == row


def test_the_right_token_opens_the_door(offload: Offload, examples: Path, tmp_path: Path) -> None:
    photo = examples / "red-bus.jpg"
    with served(token="sesame") as guarded:
        command = ("detect", photo, "--where", "remote", "--url", guarded.url)
        for wrong, words in (([], "needs a token"), (["--token", "hunter2"], "refuses the token")):
            done = offload(*command, *wrong)
            assert done.returncode == 4
            assert f"{guarded.url} {words}" in done.stderr
            assert "OFFLOAD_TOKEN" in done.stderr
            assert "hunter2" not in done.stderr
        out = tmp_path / "out"
        known = os.environ | {"OFFLOAD_TOKEN": "sesame"}
        by_setting = offload(*command, "-v", "--json", "-o", out, "--annotate", env=known)
        by_option = offload(*command, "-v", "--json", "--token", "sesame")
    for done in (by_setting, by_option):
        assert done.returncode == 0, done.stderr
        assert "sesame" not in done.stdout + done.stderr
    assert not [p for p in out.rglob("*") if p.is_file() and b"sesame" in p.read_bytes()]
