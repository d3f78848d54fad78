"""Servers that go away in the middle of a job, and come back or do not."""

import json
import signal
import threading
import time
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from offload.domain.ports import ModelIdentity
from offload.domain.typed import encoded
from offload.domain.vision import Detections
from offload.drivers.folders.files import sha256_of
from offload.service import wire
from tests.becoming import Begun, spawner
from tests.conftest import Offload
from tests.drawing import saved, scene
from tests.remote.flaky import (
    DURATIONS,
    IDENTITY,
    Flaky,
    after,
    answers,
    hangs_up,
    info,
    refuses,
    says,
)
from tests.remote.rows import rows
from tests.remote.served import Served, served

pytestmark = pytest.mark.xdist_group("remote")

MANY = 120
MODEL = str(resources.files("offload.detectors") / "builtin" / "model.tflite")
BUILTIN = ModelIdentity("builtin", "tflite", sha256_of(MODEL))


@pytest.fixture
def many(tmp_path: Path) -> Path:
    original = saved(tmp_path / "original.jpg", scene(320, 240)).resolve()
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(MANY):
        (folder / f"{number:03}.jpg").symlink_to(original)
    return folder


def start(*arguments: object) -> Begun:
    return spawner().begin(("detect", *arguments))


def under_way(process: Begun, images: int = 20) -> None:
    """So many images have their row when this returns."""
    for _ in range(images):
        assert process.stdout.readline()


def logged(out: Path) -> dict[str, dict[str, Any]]:
    return rows((out / "detections.jsonl").read_text())


def test_a_killed_server_loses_no_image_and_its_successor_does_the_rest(
    offload: Offload, many: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command: tuple[object, ...] = (
        many,
        "-o",
        out,
        "--json",
        "--max-retries",
        "1",
        "--where",
        "remote",
    )
    with served() as server:
        command += ("--url", server.url)
        with start(*command) as process:
            under_way(process)
            server.kill()
            _, said = process.communicate()
    assert process.returncode == 3, said
    assert "Traceback" not in said
    found = logged(out)
    failed = {path: row["error"] for path, row in found.items() if row["error"] is not None}
    assert len(found) == MANY
    assert 0 < len(failed) <= MANY - 20
    assert all(reason.startswith("no answer") for reason in failed.values())
    assert {path.rpartition("/")[2] for path in failed} < {path.name for path in many.iterdir()}
    assert said.count("failed: ") == len(failed)
    run = json.loads((out / "run.json").read_text())
    assert (run["complete"], run["totals"]["failed"]) == (True, len(failed))
    with served(port=server.port) as again:
        assert again.url == server.url
        done = offload("detect", *command)
    assert done.returncode == 0, done.stderr
    assert f"{MANY:,} images ({MANY - len(failed):,} done before), 0 failed" in done.stderr
    assert rows(done.stdout).keys() == failed.keys()
    assert len(logged(out)) == MANY
    assert not [row for row in logged(out).values() if row["error"] or row["where"] != "remote"]


def test_what_a_killed_server_leaves_undone_is_detected_here_if_asked(
    many: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = (many, "-o", out, "--json", "--max-retries", "1", "--fallback", "local")
    with served() as server, start(*command, "--where", "remote", "--url", server.url) as process:
        under_way(process)
        server.kill()
        _, said = process.communicate()
    assert process.returncode == 0, said
    found = logged(out)
    assert len(found) == MANY
    assert not [row for row in found.values() if row["error"]]
    here = [row for row in found.values() if row["where"] == "local"]
    assert 0 < len(here) <= MANY - 20
    assert all(row["fallback"].startswith("no answer") for row in here)
    assert {row["where"] for row in found.values() if row["fallback"] is None} == {"remote"}
    assert f" and local ({len(here)}) with builtin" in said


def test_a_server_that_comes_back_in_time_was_never_away(many: Path) -> None:
    with served() as server:
        command = (many, "--json", "--max-retries", "100", "--where", "remote", "--url", server.url)
        with start(*command) as process:
            under_way(process)
            server.kill()
            with served(port=server.port):
                _, said = process.communicate()
    assert process.returncode == 0, said
    assert f"{MANY} images, 0 failed" in said


def test_a_model_that_changes_in_the_middle_ends_the_run_with_what_was_done(
    offload: Offload, many: Path, tmp_path: Path
) -> None:
    found = Detections((), 320, 240, DURATIONS)
    other = says(encoded(wire.Answer.of(found, 0.0, "e" * 64)))
    with Flaky([answers] * 50, then=other) as server:
        command = ("-o", tmp_path, "--where", "remote", "--url", server.url)
        done = offload("detect", many, *command)
    assert done.returncode == 4
    assert f"error: {server.url} has another model now" in done.stderr
    assert "Traceback" not in done.stderr
    assert 0 < len(logged(tmp_path)) <= 50
    assert json.loads((tmp_path / "run.json").read_text())["complete"] is False


def test_ctrl_c_finishes_what_is_in_hand(many: Path, tmp_path: Path, server: Served) -> None:
    out = tmp_path / "out"
    command = (many, "-o", out, "--json", "--where", "remote", "--url", server.url)
    process = start(*command)
    under_way(process, 1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert "Finishing what is in progress" in said
    assert "Traceback" not in said
    assert 0 < len(logged(out)) < MANY
    assert not [row for row in logged(out).values() if row["error"]]


def test_an_answer_that_comes_after_ctrl_c_still_has_its_row(many: Path, tmp_path: Path) -> None:
    told = threading.Event()
    with Flaky([after(told.wait)]) as server:
        command = (many, "-o", tmp_path, "--concurrency", "1", "--where", "remote")
        with start(*command, "--url", server.url) as process:
            while not server.images and process.poll() is None:
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            assert "Finishing" in process.stderr.readline()
            told.set()
            process.communicate()
    assert process.returncode == 130
    assert len(server.images) == len(logged(tmp_path)) == 1


def test_no_secret_is_written_anywhere_when_all_goes_wrong(
    offload: Offload, many: Path, tmp_path: Path
) -> None:
    with Flaky([answers] * 5 + [refuses(500, "broken")] * 5, then=hangs_up) as server:
        where = ("--where", "remote", "--url", server.url)
        command = (*where, "--token", "sesame", "--max-retries", "0")
        done = offload("detect", many, "-v", "--json", "-o", tmp_path, *command)
    assert done.returncode == 3
    assert f"{server.url} answers 500: broken" in done.stderr
    written = [path.read_text() for path in tmp_path.rglob("*.json*")]
    for text in (done.stdout, done.stderr, *written):
        assert "sesame" not in text


def test_a_fallback_with_another_model_is_refused(offload: Offload, many: Path) -> None:
    other = replace(BUILTIN, sha256="e" * 64)
    ours = f"builtin (SHA-256 {BUILTIN.sha256[:12]}…)"
    for theirs, sentence in (
        (other, f"another model: {ours} instead of builtin (eeeeeeeeeeee…)"),
        (IDENTITY, "--fallback local has no model to detect with."),
        (
            replace(BUILTIN, name="http://127.0.0.1:9/theirs.tflite"),
            "--fallback local has no model to detect with.",
        ),
    ):
        with Flaky(info=info(model=theirs)) as server:
            command = ("--where", "remote", "--url", server.url, "--fallback", "local")
            done = offload("detect", many, *command)
        assert done.returncode == 2
        assert sentence in done.stderr
        assert "Give --model the server's model file" in done.stderr
        assert server.images == []


def test_a_fallback_is_for_want_of_an_answer_only(offload: Offload, examples: Path) -> None:
    """An image at fault is so everywhere; a model whose name says nothing here is given as file."""
    mine = replace(BUILTIN, name="theirs")
    script = [refuses(422, "damaged image"), refuses(500, "broken"), hangs_up]
    photos = [
        examples / name for name in ("red-bus.jpg", "couple-on-beach.jpg", "dog-on-lawn.webp")
    ]
    how = ("--max-retries", "0", "--concurrency", "1", "--fallback", "local", "--model", MODEL)
    with Flaky(script, info=info(model=mine)) as server:
        remote = ("--where", "remote", "--url", server.url)
        done = offload("detect", *photos, "--json", *how, *remote)
    assert done.returncode == 3, done.stderr
    red_bus, couple, dog = rows(done.stdout).values()
    assert (red_bus["error"], red_bus["where"]) == ("damaged image", "remote")
    assert (couple["where"], couple["fallback"]) == ("local", f"{server.url} answers 500: broken")
    assert len(couple["detections"]) == 2
    assert dog["fallback"].startswith(f"no answer: {server.url}")
    assert dog["error"] is None
    assert couple["sent_bytes"] == couple["bytes"], "it did leave this machine"
