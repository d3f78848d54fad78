"""What of an image goes over the wire."""

import io
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Offload
from tests.drawing import encoded, saved, scene
from tests.remote.flaky import Flaky
from tests.remote.rows import assert_same, overlap, rows
from tests.remote.served import Served

pytestmark = pytest.mark.xdist_group("remote")


def bodies(server: Flaky) -> set[bytes]:
    return {bytes(seen.body) for seen in server.images}


def test_the_very_bytes_of_the_file_are_sent_and_no_name(offload: Offload, examples: Path) -> None:
    files = {path.read_bytes() for path in examples.iterdir() if path.suffix != ".json"}
    with Flaky() as server:
        done = offload("detect", examples, "--where", "remote", "--url", server.url)
    assert done.returncode == 0, done.stderr
    assert bodies(server) == files
    said = str([(seen.path, seen.query, seen.headers) for seen in server.images])
    assert "jpg" not in said


def test_a_smaller_copy_is_an_upright_jpeg_of_what_is_larger_and_nothing_else(
    offload: Offload, tmp_path: Path
) -> None:
    turned = Image.Exif()
    turned[0x0112], turned[0x010F] = 6, "a camera that tells"
    photos = tmp_path / "photos"
    saved(photos / "fits.png", scene(640, 480), "PNG")
    (photos / "turned.jpg").write_bytes(encoded(scene(1280, 800), "JPEG", exif=turned))
    saved(photos / "large.webp", scene(1000, 2000), "WEBP")
    command = ("detect", photos, "--json", "--upload-max-side", "640", "--where", "remote")
    with Flaky() as server:
        done = offload(*command, "--url", server.url)
    assert done.returncode == 0, done.stderr
    sent = bodies(server)
    assert (photos / "fits.png").read_bytes() in sent
    copies = [Image.open(io.BytesIO(b)) for b in sent if b.startswith(b"\xff\xd8")]
    assert sorted(copy.size for copy in copies) == [(320, 640), (400, 640)]
    assert all(copy.format == "JPEG" and not copy.getexif() for copy in copies)
    assert not [body for body in sent if b"camera" in body]
    found = rows(done.stdout)
    sizes = {path: (row["width"], row["height"]) for path, row in found.items()}
    assert sizes["turned.jpg"] == (800, 1280)
    assert sizes["large.webp"] == (1000, 2000)
    assert {row["sent_bytes"] for row in found.values()} == {len(body) for body in sent}
    assert found["turned.jpg"]["durations"]["prepare_s"] > 0


def test_the_quality_of_a_copy_is_as_asked_for(offload: Offload, examples: Path) -> None:
    photo, sizes = examples / "couple-on-beach.jpg", []
    for quality in ("30", "95"):
        with Flaky() as server:
            copy = ("--upload-max-side", "400", "--upload-quality", quality)
            offload("detect", photo, "--where", "remote", "--url", server.url, *copy)
        (body,) = bodies(server)
        sizes.append(len(body))
    assert sizes[0] < sizes[1] < photo.stat().st_size


def test_the_boxes_of_a_smaller_copy_fit_the_original(
    offload: Offload, examples: Path, server: Served
) -> None:
    command = ("detect", examples, "--json", "--class", "person", "--min-score", "0.6")
    smaller = ("--upload-max-side", "320", "--where", "remote", "--url", server.url)
    there = rows(offload(*command, *smaller).stdout)
    here = rows(offload(*command, "--model", "builtin").stdout)
    exact = 0
    for path, row in here.items():
        assert (there[path]["width"], there[path]["height"]) == (row["width"], row["height"])
        for one, two in zip(row["detections"], there[path]["detections"], strict=False):
            exact += overlap(one["box"], two["box"]) > 0.8
    assert exact >= sum(len(row["detections"]) for row in here.values()) - 1 > 5
    turned = there["runner-turned-by-exif.jpg"]
    assert turned["sent_bytes"] < turned["bytes"]


def test_another_upload_is_another_run(offload: Offload, tmp_path: Path, server: Served) -> None:
    photos, out = saved(tmp_path / "photos" / "x.jpg").parent, tmp_path / "out"
    command = ("detect", photos, "-o", out, "--where", "remote", "--url", server.url)
    assert offload(*command).returncode == 0
    other = offload(*command, "--upload-max-side", "32")
    assert other.returncode == 2
    assert "upload: None then, [32, 90] now" in other.stderr


def test_metadata_stays_here_if_asked_and_the_pixels_stay_the_same(
    offload: Offload, examples: Path, tmp_path: Path, server: Served
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    told = Image.Exif()
    told[0x0112], told[0x010F] = 6, "a camera that tells"
    turned = Image.open(examples / "red-bus.jpg").rotate(90, expand=True)
    (photos / "bus.jpg").write_bytes(encoded(turned, "JPEG", exif=told, comment=b"a camera"))
    (photos / "walk.png").write_bytes(encoded(scene(300, 200), "PNG", exif=told))
    command = ("detect", photos, "--json")
    with Flaky() as flaky:
        done = offload(*command, "--strip-metadata", "--where", "remote", "--url", flaky.url)
    assert done.returncode == 0, done.stderr
    assert len(flaky.images) == 2
    assert not [body for body in bodies(flaky) if b"camera" in body]
    assert all(row["sent_bytes"] < row["bytes"] for row in rows(done.stdout).values())
    there = offload(*command, "--strip-metadata", "--where", "remote", "--url", server.url)
    here = offload(*command, "--model", "builtin")
    assert_same(rows(there.stdout), rows(here.stdout))
    assert len(rows(here.stdout)["bus.jpg"]["detections"]) > 0


def test_what_cannot_be_copied_fails_with_the_words_it_fails_with_here(
    offload: Offload, tmp_path: Path
) -> None:
    (tmp_path / "cut.jpg").write_bytes(encoded(scene(300, 200), "JPEG")[:700])
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "large.png").write_bytes(encoded(Image.new("1", (2000, 1000))))
    command = ("detect", tmp_path, "--json", "--max-pixels", "1000000")
    here = rows(offload(*command, "--model", "builtin").stdout)
    for wish in (("--upload-max-side", "100"), ("--strip-metadata", "--upload-max-side", "16")):
        with Flaky() as server:
            done = offload(*command, "--where", "remote", "--url", server.url, *wish)
        assert done.returncode == 3
        there = rows(done.stdout)
        assert {p: r["error"] for p, r in there.items()} == {p: r["error"] for p, r in here.items()}
        assert server.images == []
