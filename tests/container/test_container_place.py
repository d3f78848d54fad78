"""`--where container` on a real engine."""

import contextlib
import json
import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from offload.drivers.docker import own_image
from offload.drivers.docker.container_spec import MARK
from offload.drivers.docker.engine import Engine
from tests.becoming import Begun, Done, spawner
from tests.conftest import Offload
from tests.drawing import saved, scene
from tests.remote.rows import in_folder

pytestmark = pytest.mark.xdist_group("containers")

IN_CONTAINER = ("--where", "container")
BUILTIN = ("--model", "builtin")


@pytest.fixture(autouse=True)
def clean(docker_engine: Any) -> Iterator[None]:
    """No container of ours before or after."""
    sweep(docker_engine)
    yield
    sweep(docker_engine)


@pytest.fixture
def detect(offload: Offload) -> Offload:
    """`offload detect --where container`, with time to build the image."""

    def run(*arguments: object, **options: Any) -> Done:
        return offload("detect", *arguments, *IN_CONTAINER, timeout=600, **options)

    return run


@pytest.fixture
def many(tmp_path: Path) -> Path:
    for number in range(400):
        saved(tmp_path / "many" / f"{number:03}.jpg", scene(640, 480))
    return tmp_path / "many"


def ours(engine: Any) -> list[Any]:
    return list(engine.containers.list(all=True, filters={"label": MARK}, ignore_removed=True))


def sweep(engine: Any) -> None:
    for container in ours(engine):
        container.remove(force=True)


def started(*arguments: object) -> Begun:
    return spawner().begin(("detect", *arguments, *IN_CONTAINER))


def until_gone(engine: Any) -> None:
    for _ in range(600):
        if not ours(engine):
            return
        time.sleep(0.1)
    raise AssertionError(ours(engine))


def until_first_row(folder: Path) -> None:
    log = folder / "detections.jsonl"
    for _ in range(6000):
        if log.exists() and log.stat().st_size:
            return
        time.sleep(0.01)
    raise AssertionError("no row in a minute")


def test_the_container_answers_box_for_box_as_the_local_place_does(
    detect: Offload, offload: Offload, photos: Path, ssd: Path, ssd_labels: Path, tmp_path: Path
) -> None:
    wanted = ("-m", ssd, "--labels", ssd_labels, "--min-score", 0.3)
    here, there = tmp_path / "here", tmp_path / "there"
    assert offload("detect", photos, *wanted, "-o", here).returncode == 0
    done = detect(photos, *wanted, "-o", there)
    assert done.returncode == 0, done.stderr
    local, contained = in_folder(here), in_folder(there)
    assert local.keys() == contained.keys()
    for path, row in local.items():
        other = contained[path]
        assert other["where"] == "container"
        assert (other["width"], other["height"]) == (row["width"], row["height"])
        assert other["detections"] == row["detections"]
        assert other["sent_bytes"] == row["bytes"]


def test_coming_up_is_timed_by_phase_and_nothing_is_left(
    detect: Offload, docker_engine: Any, examples: Path, tmp_path: Path
) -> None:
    assert detect(examples, *BUILTIN, "-q").returncode == 0  # the image is there from now on
    done = detect(examples, *BUILTIN, "-v", "-o", tmp_path)
    assert done.returncode == 0, done.stderr
    phases = json.loads((tmp_path / "run.json").read_text())["totals"]["phases"]
    assert list(phases) == ["create", "start", "load", "warm-up"]
    assert all(seconds > 0 for seconds in phases.values())
    assert re.search(r"create \d.*start \d.*load \d.*warm-up \d", done.stderr)
    assert ours(docker_engine) == []


def test_it_is_hardened_and_its_token_is_shown_nowhere(
    detect: Offload, docker_engine: Any, examples: Path, tmp_path: Path
) -> None:
    limits = ("--keep", "--cpus", 1.5, "--memory", "700m")
    done = detect(examples, *BUILTIN, *limits, "-o", tmp_path)
    assert done.returncode == 0, done.stderr
    (container,) = ours(docker_engine)
    host, config = container.attrs["HostConfig"], container.attrs["Config"]
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert "no-new-privileges" in host["SecurityOpt"]
    assert host["NanoCpus"] == 1.5e9
    assert host["Memory"] == 700 * 2**20
    assert not host["Privileged"]
    assert config["User"] not in {"", "0", "root"}
    (bindings,) = container.attrs["NetworkSettings"]["Ports"].values()
    assert {binding["HostIp"] for binding in bindings} == {"127.0.0.1"}
    (token,) = [text.partition("=")[2] for text in config["Env"] if "TOKEN" in text]
    assert len(token) >= 32
    shown = [done.stdout, done.stderr, (tmp_path / "run.json").read_text(), str(config["Cmd"])]
    shown += [container.logs().decode(), str(config["Labels"]), container.name]
    assert not any(token in text for text in shown)


def test_a_kept_container_is_found_again_and_taken_down_on_request(
    detect: Offload, offload: Offload, docker_engine: Any, examples: Path, tmp_path: Path
) -> None:
    assert detect(examples, *BUILTIN, "--keep", "-q").returncode == 0
    (kept,) = ours(docker_engine)
    done = detect(examples, *BUILTIN, "-o", tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run.json").read_text())["totals"]["phases"] == {}
    assert [container.id for container in ours(docker_engine)] == [kept.id]
    assert detect(examples, *BUILTIN, "--cpus", 0.9, "--keep", "-q").returncode == 0
    names = {container.name for container in ours(docker_engine)}
    assert len(names) == 2
    down = offload("down")
    assert (down.returncode, set(down.stdout.split())) == (0, names)
    assert ours(docker_engine) == []
    assert offload("down").stdout == "Nothing to remove.\n"


def test_ctrl_c_leaves_no_container_and_a_kill_one_that_down_finds(
    detect: Offload, offload: Offload, docker_engine: Any, many: Path, tmp_path: Path
) -> None:
    assert detect(many / "000.jpg", *BUILTIN, "-q").returncode == 0
    for signals, code in ([signal.SIGINT], 130), ([signal.SIGINT, signal.SIGINT], 130):
        out = tmp_path / f"out{len(signals)}"
        with started(many, *BUILTIN, "-o", out) as process:
            until_first_row(out)
            for number in signals:
                process.send_signal(number)
                time.sleep(0.05)
            assert process.wait(300) == code
        until_gone(docker_engine)  # told twice, it does not wait for what it has begun to remove
    out = tmp_path / "killed"
    with started(many, *BUILTIN, "-o", out) as process:
        until_first_row(out)
        process.kill()
    assert len(ours(docker_engine)) == 1
    assert offload("down").returncode == 0
    assert ours(docker_engine) == []


def test_closing_the_terminal_leaves_no_container(
    detect: Offload, docker_engine: Any, many: Path, tmp_path: Path
) -> None:
    assert detect(many / "000.jpg", *BUILTIN, "-q").returncode == 0
    for number in range(2):  # as it comes up, and as it works
        out = tmp_path / f"out{number}"
        with started(many, *BUILTIN, "-o", out) as process:
            if number:
                until_first_row(out)
            while not ours(docker_engine):
                time.sleep(0.01)
            for _ in range(2):  # from the shell and from the kernel
                process.send_signal(signal.SIGHUP)
            assert process.wait(300) == 130
        assert ours(docker_engine) == []


def test_an_image_that_is_built_anew_leaves_none_without_a_name(
    detect: Offload, docker_engine: Any, examples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unnamed() -> set[str]:
        found = docker_engine.images.list(filters={"dangling": True, "label": own_image.SOURCE})
        return {image.id for image in found}

    assert detect(examples, *BUILTIN, "-q").returncode == 0
    before, left = docker_engine.images.get("offload").id, unnamed()
    with Engine.connected() as engine, monkeypatch.context() as patched:
        own = own_image.OwnImage("tflite")
        patched.setattr(own_image, "digest", lambda: "of another source")
        lines: list[str] = []
        own.build(engine, lines.append)
    try:
        assert docker_engine.images.get("offload").id != before
        assert unnamed() == left
        assert re.match(r"Step 1/\d+ : ", lines[0])
    finally:
        assert detect(examples, *BUILTIN, "-q").returncode == 0  # that of this source again
    assert unnamed() == left


def test_a_container_that_dies_loses_no_image(
    detect: Offload, docker_engine: Any, many: Path, tmp_path: Path
) -> None:
    assert detect(many / "000.jpg", *BUILTIN, "-q").returncode == 0
    out = tmp_path / "out"
    with started(many, *BUILTIN, "-o", out, "--fallback", "local", "--max-retries", 1) as process:
        until_first_row(out)
        for container in ours(docker_engine):
            with contextlib.suppress(Exception):
                container.kill()
        assert process.wait(300) == 0, process.stderr.read()
    found = in_folder(out)
    assert len(found) == 400
    by_place = {row["where"] for row in found.values()}
    assert by_place == {"container", "local"}
    assert all(bool(row["fallback"]) == (row["where"] == "local") for row in found.values())
    assert {len(row["detections"]) for row in found.values()} == {
        len(found["000.jpg"]["detections"])
    }


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (
            ("--container-image", "no-such-image-here"),
            4,
            "The container image no-such-image-here is not here.",
        ),
        (("--container-image", "python:3.11-slim"), 4, "is not offload's."),
        (("--cpus", "inf"), 2, "cpus"),
        (("--memory", "16m"), 4, "its memory limit, 16m, is too small"),
        (("--memory", "1m"), 4, "The Docker engine refuses: Minimum memory limit"),
        (("--memory", "much"), 2, "--memory takes a size, not 'much'."),
    ],
)
def test_what_keeps_it_from_coming_up_is_one_sentence(
    detect: Offload, examples: Path, options: tuple[str, ...], code: int, sentence: str
) -> None:
    done = detect(examples, *BUILTIN, *options)
    assert done.returncode == code
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_that_cannot_be_run_is_explained_by_the_container(
    detect: Offload, docker_engine: Any, examples: Path, tmp_path: Path
) -> None:
    builtin = Path(__file__).parents[2] / "offload" / "detectors" / "builtin" / "model.tflite"
    (tmp_path / "cut.tflite").write_bytes(builtin.read_bytes()[:50_000])
    done = detect(examples, "-m", tmp_path / "cut.tflite")
    assert done.returncode == 4
    assert "LiteRT cannot load /model/cut.tflite" in done.stderr
    assert "Traceback" not in done.stderr
    assert ours(docker_engine) == []


def test_a_model_that_others_may_not_read_is_named_with_what_to_type(
    detect: Offload, examples: Path, tmp_path: Path
) -> None:
    builtin = Path(__file__).parents[2] / "offload" / "detectors" / "builtin" / "model.tflite"
    mine = tmp_path / "mine: a, b.tflite"
    mine.write_bytes(builtin.read_bytes())
    mine.chmod(0o600)
    done = detect(examples, "-m", mine)
    assert done.returncode == 4
    assert f"chmod -R a+rX {mine}" in done.stderr
    mine.chmod(0o644)
    done = detect(examples, "-m", mine, "-q")
    assert done.returncode == 0, done.stderr


def test_no_engine_is_exit_code_four_and_the_command_that_helps(
    offload: Offload, examples: Path
) -> None:
    environment = os.environ | {"DOCKER_HOST": "unix:///nowhere.sock"}
    done = offload("detect", examples, *IN_CONTAINER, *BUILTIN, env=environment)
    assert done.returncode == 4
    message, hint = done.stderr.splitlines()
    assert message == "error: No Docker engine answers at DOCKER_HOST=unix:///nowhere.sock."
    assert hint.strip() == "To try: docker version"
    assert offload("down", env=environment).returncode == 4
    assert shutil.which("docker"), "what is told to be typed is there"
