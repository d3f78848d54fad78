import json
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.becoming import Begun, spawner
from tests.conftest import PROJECT, Offload, on_a_terminal
from tests.drawing import encoded, saved, scene

BUILTIN = ("--model", "builtin")
MODEL = PROJECT / "offload" / "detectors" / "builtin" / "model.tflite"


def rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def start(*arguments: object) -> Begun:
    return spawner().begin(("detect", *arguments))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400 pictures in two folders, with the same names in both."""
    many = tmp_path_factory.mktemp("many")
    original = saved(many.parent / "original.jpg", scene(320, 240))
    for folder in ("left", "right"):
        (many / folder).mkdir()
        for number in range(200):
            (many / folder / f"{number:03}.jpg").hardlink_to(original)
    return many


def test_standard_output_is_json_lines_and_nothing_else(offload: Offload, examples: Path) -> None:
    done = offload("detect", examples, "--json", *BUILTIN)
    assert done.returncode == 0, done.stderr
    found = rows(done.stdout)
    assert len(found) == len([p for p in examples.iterdir() if p.suffix != ".json"])
    first = found[0]
    assert {"path", "width", "height", "bytes", "detections", "where", "durations"} <= set(first)
    assert set(first["durations"]) == {
        "read_s", "prepare_s", "upload_wait_s", "upload_s", "init_s", "queue_s", "decode_s",
        "infer_s", "download_s",
    }  # fmt: skip
    assert first["where"] == "local"
    assert re.fullmatch("[0-9a-f]{64}", first["model_sha256"])


def test_no_library_speaks_on_either_stream(offload: Offload, examples: Path) -> None:
    done = offload("detect", examples, *BUILTIN)
    assert not re.search("INFO|WARN|XNNPACK|TensorFlow|delegate", done.stdout + done.stderr)
    assert offload("detect", examples, "-q", *BUILTIN).stderr == ""


def test_a_photo_with_damaged_exif_is_detected_without_a_word(
    offload: Offload, tmp_path: Path
) -> None:
    damaged = b"Exif\0\0II*\0\x08\0\0\0\xff\xff"
    (tmp_path / "x.jpg").write_bytes(encoded(scene(), "JPEG", exif=damaged))
    done = offload("detect", tmp_path, "-q", "--json", *BUILTIN)
    assert (done.returncode, done.stderr) == (0, "")
    assert rows(done.stdout)[0]["error"] is None


def test_no_library_speaks_of_a_damaged_scan(offload: Offload, tmp_path: Path) -> None:
    scan = bytearray(encoded(scene(400, 300).convert("1"), "TIFF", compression="group4"))
    scan[40:120] = bytes(byte ^ 0x5A for byte in scan[40:120])
    (tmp_path / "fax.tif").write_bytes(scan)
    many_samples = bytearray(encoded(scene(), "TIFF"))
    tag = many_samples.index(struct.pack("<HHL", 277, 3, 1))
    many_samples[tag + 8] = 250
    (tmp_path / "samples.tif").write_bytes(many_samples)
    done = offload("detect", tmp_path, "--json", "-q", *BUILTIN)
    assert {row["path"] for row in rows(done.stdout)} == {"fax.tif", "samples.tif"}
    assert done.stderr == ""


def test_people_get_a_table_and_a_summary(offload: Offload, examples: Path) -> None:
    done = offload("detect", examples, *BUILTIN)
    header, *lines = done.stdout.splitlines()
    assert header.split() == ["image", "pixels", "infer", "ms", "objects"]
    assert lines == sorted(lines)
    first, second = done.stderr.splitlines()
    assert re.fullmatch(r"12 images, 0 failed, [\d.]+ images/s at local with builtin", first)
    assert second == "15 objects: 12 person, 2 bus, 1 dog"
    said = offload("detect", examples, *BUILTIN, "-v").stderr
    for wanted in ("start-up", "first inference", "median", "p95", "SHA-256"):
        assert wanted in said


def test_a_job_with_a_deadline_at_one_place_is_a_sample_like_any_other(
    offload: Offload, examples: Path
) -> None:
    done = offload("detect", examples, *BUILTIN, "--deadline", "5m")
    assert done.returncode == 0, done.stderr
    assert "deadline of 5 min kept" in done.stderr
    [sample] = json.loads(offload("profile", "list", "--json").stdout)["measurements"]
    assert sample["images"] >= 8


def test_a_list_on_standard_input_is_detected(offload: Offload, tmp_path: Path) -> None:
    saved(tmp_path / "a" / "x.jpg")
    saved(tmp_path / "b" / "x.jpg")
    found = offload("detect", "-", "--json", *BUILTIN, input="a/x.jpg\n./b/x.jpg\n", cwd=tmp_path)
    assert sorted(row["path"] for row in rows(found.stdout)) == ["a/x.jpg", "b/x.jpg"]


def test_everything_that_is_no_image_is_a_failed_row_and_the_run_goes_on(
    offload: Offload, tmp_path: Path
) -> None:
    folder = tmp_path / "mixed"
    saved(folder / "good.jpg")
    (folder / "empty.jpg").touch()
    (folder / "text.jpg").write_text("no picture")
    (folder / "truncated.jpg").write_bytes(encoded(scene(300, 300), "JPEG")[:900])
    (folder / "bomb.png").write_bytes(encoded(Image.new("1", (20_000, 20_000))))
    os.mkfifo(folder / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(folder)
        listener.bind("socket.jpg")
        os.chdir(here)
    (folder / "device.jpg").symlink_to("/dev/zero")
    (folder / "itself.jpg").symlink_to("itself.jpg")
    done = offload("detect", folder, "-r", "--json", *BUILTIN)
    assert done.returncode == 3, done.stderr
    reasons = {row["path"]: row["error"] for row in rows(done.stdout)}
    assert reasons.pop("good.jpg") is None
    expected = {
        "empty.jpg": "empty", "text.jpg": "not an image", "truncated.jpg": "damaged",
        "bomb.png": "--max-pixels", "pipe.jpg": "pipe", "socket.jpg": "socket",
        "device.jpg": "device", "itself.jpg": "itself",
    }  # fmt: skip
    assert set(reasons) == set(expected)
    for path, reason in expected.items():
        assert reason in reasons[path]
        assert f"failed: {path}: " in done.stderr


def test_too_many_failures_end_the_run_with_what_to_type(offload: Offload, tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / f"{number}.jpg").write_text("no picture")
    done = offload("detect", tmp_path, "--json", "--max-failures", "5%", *BUILTIN)
    assert done.returncode == 1
    assert 11 <= len(rows(done.stdout)) < 30
    assert "Stopped early" in done.stderr
    assert "--max-failures" in done.stderr


def test_annotated_pictures_mirror_the_tree(offload: Offload, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    saved(photos / "x.jpg")
    saved(photos / "sub" / "x.jpg")
    saved(photos / "sub" / "y.png", kind="PNG")
    out = tmp_path / "out"
    done = offload("detect", photos, "-r", "-o", out, "--annotate", *BUILTIN)
    assert done.returncode == 0, done.stderr
    found = sorted(str(p.relative_to(out / "annotated")) for p in out.rglob("annotated/**/*.*"))
    assert found == ["sub/x.jpg", "sub/y.png", "x.jpg"]
    with Image.open(out / "annotated" / "sub" / "y.png") as drawn:
        assert drawn.format == "PNG"
    small = sorted(str(p.relative_to(out / "thumbnails")) for p in out.rglob("thumbnails/**/*.*"))
    assert small == found
    assert (out / "gallery.html").exists()


def test_run_json_says_what_ran_how_and_what_came_of_it(offload: Offload, tmp_path: Path) -> None:
    saved(tmp_path / "photos" / "x.jpg")
    out = tmp_path / "out"
    offload("detect", tmp_path / "photos", "-o", out, "--min-score", "0.4", *BUILTIN)
    run = json.loads((out / "run.json").read_text())
    assert run["complete"] is True
    assert run["model"]["name"] == "builtin"
    assert len(run["model"]["sha256"]) == 64
    assert run["settings"]["min_score"] == 0.4
    assert run["host"]["usable_cores"] >= 1
    assert run["totals"]["images"] == 1
    assert run["totals"]["infer"]["p95"] > 0


def test_the_same_command_again_does_only_what_is_missing(offload: Offload, tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    saved(photos / "a.jpg")
    command = ("detect", photos, "-o", out, "--format", "jsonl,coco", *BUILTIN)
    offload(*command)
    saved(photos / "b.jpg")
    with (out / "detections.jsonl").open("a") as log:
        log.write("odd\n")
    again = offload(*command)
    assert "that could not be read (1) are kept in unreadable.jsonl" in again.stderr
    assert "2 images (1 done before), 0 failed, " in again.stderr
    run = (out / "run.json").read_text()
    assert json.loads(run)["in_folder"] == {"images": 2, "failed": 0}
    assert "2 images, all done before, 0 failed, with builtin" in offload(*command).stderr
    assert (out / "run.json").read_text() == run, "nothing done, nothing to account for"
    assert [image["file_name"] for image in json.loads((out / "coco.json").read_text())["images"]] == ["a.jpg", "b.jpg"]  # fmt: skip  # noqa: E501
    other = offload(*command, "--min-score", "0.9")
    assert other.returncode == 2
    assert "min_score: 0.5 then, 0.9 now" in other.stderr
    assert "--overwrite" in other.stderr
    assert offload(*command, "--min-score", "0.9", "--overwrite").returncode == 0


def test_killed_at_random_moments_and_continued_it_has_every_image_once(
    offload: Offload, many: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    log = out / "detections.jsonl"
    command = (many, "-r", "-o", out, "--format", "jsonl,coco,csv,json,parquet", *BUILTIN)
    chance = random.Random(11)
    whole: list[str] = []
    for _ in range(5):
        enough = len(whole) + chance.randrange(60)
        process = start(*command)
        while process.poll() is None and (not log.exists() or log.read_text().count("\n") < enough):
            time.sleep(chance.uniform(0.0, 0.05))
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        *whole, _half = log.read_text().split("\n")
        assert all(json.loads(line)["error"] is None for line in whole)
    assert 0 < len(whole) < 400
    assert offload("detect", *command).returncode == 0
    paths = [row["path"] for row in rows((out / "detections.jsonl").read_text())]
    assert len(paths) == len(set(paths)) == 400
    assert len(json.loads((out / "coco.json").read_text())["images"]) == 400
    assert not list(out.rglob("*.tmp"))


def test_ctrl_c_finishes_what_is_in_hand_and_sums_up(many: Path, tmp_path: Path) -> None:
    process = start(many, "-r", "--json", "-o", tmp_path / "out", *BUILTIN)
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    output, messages = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "Finishing what is in progress" in messages
    assert "images/s at local" in messages
    assert re.search(r"^\d+ of 400 done; the same command continues\.$", messages, re.MULTILINE)
    logged = rows((tmp_path / "out" / "detections.jsonl").read_text())
    assert {row["path"] for row in rows(output)} <= {row["path"] for row in logged}
    assert 0 < len(logged) < 400
    assert json.loads((tmp_path / "out" / "run.json").read_text())["complete"] is False


def test_ctrl_c_twice_stops_now(many: Path) -> None:
    process = start(many, "-r", "--json", *BUILTIN)
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "Traceback" not in messages


def test_a_reader_that_goes_away_ends_the_run_quietly(many: Path) -> None:
    with start(many, "-r", "--json", "-q", *BUILTIN) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == -signal.SIGPIPE


def test_a_mistake_in_the_command_does_not_discard_results(
    offload: Offload, tmp_path: Path
) -> None:
    saved(tmp_path / "photos" / "x.jpg")
    out = tmp_path / "out"
    command = ("detect", tmp_path / "photos", "-o", out, "--overwrite", *BUILTIN)
    offload(*command)
    before = (out / "detections.jsonl").read_text()
    for mistake in (["--class", "unicorn"], ["--max-failures", "few"], ["--where", "moon"]):
        assert offload(*command, *mistake).returncode == 2
    assert (out / "detections.jsonl").read_text() == before


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere.jpg"], "does not exist"),
        (["--where", "moon", "."], "no place 'moon'"),
        (["--model", "nonsense", "x.jpg"], "no model 'nonsense'"),
        (["--format", "xml", "x.jpg"], "no format 'xml'"),
        (["--annotate", "x.jpg"], "need --out"),
        (["--format", "coco", "x.jpg"], "need --out"),
        (["--overwrite", "x.jpg"], "need --out"),
        (["--model", "", "x.jpg"], "--model is empty"),
        (["--class", "person,dog", "--model", "builtin", "x.jpg"], "Give each class its own"),
        (["--class", "²", "--model", "builtin", "x.jpg"], "no class '²'"),
        (["--out", "", "--model", "builtin", "x.jpg"], "Cannot write results"),
        (["--out", "/proc/x", "--model", "builtin", "x.jpg"], "Cannot write results"),
        (["--workers", "99999999999", "x.jpg"], "1024"),
        (["--class", "unicorn", "--model", "builtin", "x.jpg"], "no class 'unicorn'"),
        (["--max-failures", "some", "--model", "builtin", "x.jpg"], "--max-failures takes"),
        (["--labels", "none.txt", "--model", "builtin", "x.jpg"], "cannot be read"),
        (["--model", "x.jpg", "x.jpg"], "is not a .tflite model"),
    ],
)
def test_bad_usage_gets_one_clear_sentence_and_exit_code_2(
    offload: Offload, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    saved(tmp_path / "x.jpg")
    done = offload("detect", *arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert sentence in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_the_settings_file_names_the_default_model(offload: Offload, tmp_path: Path) -> None:
    saved(tmp_path / "x.jpg")
    file = tmp_path / "config" / "offload" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text('model = "builtin"\n')
    environment = os.environ | {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    done = offload("detect", "x.jpg", cwd=tmp_path, env=environment)
    assert done.returncode == 0
    assert "warning" not in done.stderr, "chosen, not fallen back to"
    (tmp_path / "offload.toml").write_text("modle = 1\n")
    said = offload("detect", "x.jpg", cwd=tmp_path, env=environment)
    assert said.returncode == 0
    assert said.stderr.count("no setting 'modle'. Did you mean model?") == 1


def test_a_person_watching_sees_the_rate_and_the_time_left(examples: Path) -> None:
    exit_code, seen = on_a_terminal("detect", examples, *BUILTIN)
    assert exit_code == 0
    assert "images/s" in seen
    assert re.search(r"\d+/12", seen)
    assert "Traceback" not in seen


def test_rows_go_to_their_file_also_while_a_person_watches_the_progress(
    examples: Path, tmp_path: Path
) -> None:
    with (tmp_path / "rows.jsonl").open("w") as file:
        exit_code, seen = on_a_terminal("detect", examples, *BUILTIN, "--json", stdout=file)
    assert exit_code == 0
    assert (tmp_path / "rows.jsonl").read_text().count("\n") == 12
    assert "detections" not in seen


def test_a_files_name_cannot_command_the_terminal(offload: Offload, tmp_path: Path) -> None:
    saved(tmp_path / "\x1b[31mred.jpg")
    (tmp_path / "\x1b[2Jclear.jpg").touch()
    done = offload("detect", tmp_path, *BUILTIN)
    assert "\x1b" not in done.stdout + done.stderr
    assert "x1b[31mred.jpg" in done.stdout
    assert rows(offload("detect", tmp_path, "--json", *BUILTIN).stdout)[1]["path"].endswith(".jpg")


@pytest.mark.parametrize("options", [["--json"], ["--json", "-q", "-o", "out"], []])
def test_a_full_standard_output_is_explained_and_ends_the_run(
    offload: Offload, tmp_path: Path, options: list[str]
) -> None:
    for number in range(20):
        saved(tmp_path / "photos" / f"{number}.jpg")
    with Path("/dev/full").open("w") as full:
        done = offload(
            "detect", "photos", *BUILTIN, *options, cwd=tmp_path, capture_output=False,
            stdout=full, stderr=subprocess.PIPE,
        )  # fmt: skip
    if options[:2] == ["--json", "-q"]:
        assert (tmp_path / "out" / "run.json").exists()
    assert done.returncode == 1
    assert "Cannot write to standard output: No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_names_outside_the_terminals_alphabet_are_escaped(offload: Offload, tmp_path: Path) -> None:
    saved(tmp_path / "Wörter 火.jpg")
    plain = os.environ | {"PYTHONIOENCODING": "ascii"}
    (row,) = rows(offload("detect", tmp_path, "--json", *BUILTIN, env=plain).stdout)
    assert row["path"] == "Wörter 火.jpg"
    assert "W\\xf6rter" in offload("detect", tmp_path, *BUILTIN, env=plain).stdout


def test_a_class_is_the_same_by_any_spelling_of_its_id(offload: Offload, examples: Path) -> None:
    by_name = rows(offload("detect", examples, "--json", "--class", "Dog", *BUILTIN).stdout)
    by_id = rows(offload("detect", examples, "--json", "--class", "018", *BUILTIN).stdout)
    assert sum(len(row["detections"]) for row in by_name) == 1
    assert sum(len(row["detections"]) for row in by_id) == 1


def test_results_inside_the_folder_of_photos_are_never_taken_for_photos(
    offload: Offload, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    saved(photos / "a.jpg")
    for out in (photos, photos / "first", photos / "second", photos):
        done = offload("detect", photos, "-r", "-o", out, "--annotate", *BUILTIN)
        assert done.returncode == 0, done.stderr
    assert len(list(photos.rglob("*.jpg"))) == 1 + 3 * len(("annotated", "thumbnails"))


def test_a_name_too_long_to_annotate_costs_nothing(offload: Offload, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    saved(photos / ("a" * 251 + ".jpg"))
    done = offload("detect", photos, "-o", tmp_path / "out", "--annotate", *BUILTIN)
    assert done.returncode == 0, done.stderr


def test_a_folder_says_what_it_left_out_and_a_row_what_is_odd(
    offload: Offload, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    saved(photos / "scan.tif", scene().convert("1"), "TIFF")
    (photos / "cut.jpg").write_bytes(encoded(scene(300, 300), "JPEG")[:-2])
    for name in ("1.psd", "2.psd", "IMG_3"):
        (photos / name).write_text("other")
    out = tmp_path / "out"
    done = offload("detect", photos, "-o", out, "--annotate", *BUILTIN)
    assert done.returncode == 0, done.stderr
    assert "3 other files left out (2 .psd, 1 without suffix)" in done.stderr
    assert "cut.jpg: the file is truncated" in done.stderr
    notes = {row["path"]: row["note"] for row in rows((out / "detections.jsonl").read_text())}
    assert notes == {"cut.jpg": "the file is truncated", "scan.tif": None}
    assert {path.name for path in (out / "annotated").iterdir()} == {"cut.jpg", "scan.tif"}


def test_images_and_their_folders_may_have_names_that_are_not_utf8(
    offload: Offload, tmp_path: Path
) -> None:
    folder = os.fsdecode(b"caf\xe9")
    saved(tmp_path / folder / os.fsdecode(b"\xe9.jpg"))
    command = ("detect", ".", "-r", "-o", "out", "--annotate", "--format", "coco,csv", *BUILTIN)
    done = offload(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (row,) = rows((tmp_path / "out" / "detections.jsonl").read_text("utf-8"))
    assert row["path"] == r"caf\xe9/\xe9.jpg"
    assert (tmp_path / "out" / "annotated" / folder / os.fsdecode(b"\xe9.jpg")).exists()
    assert "1 image, all done before" in offload(*command, cwd=tmp_path).stderr


def test_the_current_folder_may_have_a_name_that_is_not_utf8(
    offload: Offload, tmp_path: Path
) -> None:
    here = tmp_path / os.fsdecode(b"caf\xe9")
    saved(here / "a.jpg")
    for _ in range(2):
        done = offload("detect", here, "-o", "../out", "--format", "coco", *BUILTIN, cwd=here)
        assert done.returncode == 0, done.stderr
    run = json.loads((tmp_path / "out" / "run.json").read_text("utf-8"))
    assert run["settings"]["root"] == f"{tmp_path}/caf\\xe9"
    assert run["sources"] == [run["settings"]["root"]]


def test_a_models_name_may_be_no_utf8(offload: Offload, tmp_path: Path) -> None:
    here = tmp_path / os.fsdecode(b"caf\xe9")
    saved(here / "a.jpg")
    shutil.copy(MODEL, here / os.fsdecode(b"m\xe9.tflite"))
    asked = ("--model", here / os.fsdecode(b"m\xe9.tflite"))
    done = offload("detect", here, "--json", "-o", tmp_path / "out", *asked)
    assert done.returncode == 0, done.stderr
    assert [row["model"] for row in rows(done.stdout)] == ["m\\xe9"]
    done = offload("profile", here, "--where", "local", "--budget", "1s", *asked)
    assert done.returncode == 0, done.stderr


def test_closed_standard_streams_are_dev_null(
    offload: Offload, examples: Path, tmp_path: Path
) -> None:
    detect = f"{sys.executable} -m offload detect {examples} -o out --model builtin <&- >&- 2>&-"
    assert subprocess.run(["bash", "-c", detect], check=False, cwd=tmp_path).returncode == 0
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    found = rows((tmp_path / "out" / "detections.jsonl").read_text())
    assert run["totals"]["images"] == len(found) > 0
