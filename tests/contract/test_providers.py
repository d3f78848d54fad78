"""What another package may bring without touching ours: a provider of servers, a runtime."""

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.becoming import PATIENCE_S, Done, spawner
from tests.conftest import PROJECT
from tests.contract import toy_provider
from tests.drawing import saved

Toy = Callable[..., Done]

pytestmark = pytest.mark.xdist_group("toy provider")


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a package that brings both is installed."""
    code = tmp_path_factory.mktemp("code")
    about = code / "offload_toy-1.0.dist-info"
    about.mkdir()
    for module in ("toy_provider.py", "toy_runtime.py"):
        shutil.copy(PROJECT / "tests" / "contract" / module, code)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: offload-toy\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[offload.providers]\ntoy = toy_provider\n[offload.detectors]\ntoy = toy_runtime\n"
    )
    return code


def noting(home: Path) -> dict[str, str]:
    """The environment of a command, whose toy notes there what becomes of it."""
    names = toy_provider.STARTED, toy_provider.ENDED
    return os.environ | dict(zip(names, (str(home / "started"), str(home / "ended")), strict=True))


@pytest.fixture
def toy(code: Path, tmp_path: Path, home: Path) -> Toy:
    """`offload` beside that package."""

    def run(*arguments: object) -> Done:
        there = spawner(str(code), str(PROJECT))
        return there.run(*arguments, cwd=tmp_path, env=noting(home))

    return run


def test_a_provider_that_was_installed_is_a_place(
    toy: Toy, home: Path, examples: Path, tmp_path: Path
) -> None:
    found = {}
    for where in ("local", "toy"):
        done = toy("detect", examples, "-m", "builtin", "--where", where, "--out", tmp_path / where)
        assert done.returncode == 0, done.stderr
        lines = (tmp_path / where / "detections.jsonl").read_text().splitlines()
        rows = {row["path"]: row for row in map(json.loads, lines)}
        assert {row["where"] for row in rows.values()} == {where}
        found[where] = {path: row["detections"] for path, row in rows.items()}
    assert found["toy"] == found["local"]
    assert any(found["toy"].values())
    assert (home / "ended").exists(), "taken down when the job is done"
    exported = toy("profile", "export", tmp_path / "history.json")
    assert exported.returncode == 0, exported.stderr
    known = json.loads((tmp_path / "history.json").read_text())["measurements"]
    [at_toy] = [each for each in known if each["condition"]["place"] == "toy"]
    assert at_toy["condition"]["url"] == "toy:one"
    assert at_toy["starts"][0]["phases"] == {"start": 0.1}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(("sign", "bytes_"), [("started", 0), ("out/detections.jsonl", 1)])
def test_what_is_up_or_comes_up_is_taken_down_when_the_run_is_ended(
    code: Path, home: Path, tmp_path: Path, number: signal.Signals, sign: str, bytes_: int
) -> None:
    picture = saved(tmp_path / "photos" / "0.jpg")
    for other in range(1, 500):
        (tmp_path / "photos" / f"{other}.jpg").hardlink_to(picture)
    words = ("detect", tmp_path / "photos", "-m", "builtin", "--where", "toy", "-o", home / "out")
    with spawner(str(code), str(PROJECT)).begin(words, env=noting(home)) as process:
        while not (home / sign).exists() or (home / sign).stat().st_size < bytes_:
            time.sleep(0.005)
        process.send_signal(number)
        process.send_signal(signal.SIGHUP)  # as the shell sends one and the kernel another
        assert process.wait(PATIENCE_S) == 130
        assert "Traceback" not in process.stderr.read()
    assert (home / "ended").exists()


def test_a_runtime_that_was_installed_runs_the_models_that_it_knows(
    toy: Toy, examples: Path, tmp_path: Path
) -> None:
    model = tmp_path / "birds.toy"
    model.write_text("parrot")
    done = toy("detect", examples, "-m", model, "--json")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {d["label"] for row in rows for d in row["detections"]} == {"parrot"}
    served = toy("detect", examples, "-m", model, "--where", "toy", "--json")
    assert served.returncode == 0, served.stderr
    [parrot] = json.loads(served.stdout.splitlines()[0])["detections"]
    assert parrot["label"] == "parrot"


def test_the_doctor_says_which_package_brings_what(toy: Toy) -> None:
    facts = json.loads(toy("doctor", "--json").stdout)
    assert facts["places"] == {
        **dict.fromkeys(
            ("local", "lambda", "fleet", "container", "remote", "kubernetes"), "offload"
        ),
        "toy": "offload-toy 1.0",
    }
    assert facts["providers"]["toy"] == "offload-toy 1.0"
    assert facts["detectors"] == {
        "tflite": "offload", "savedmodel": "offload", "onnx": "offload", "toy": "offload-toy 1.0",
    }  # fmt: skip


def test_what_cannot_be_imported_is_named_with_its_package(
    toy: Toy, code: Path, examples: Path
) -> None:
    provider = code / "toy_provider.py"
    elsewhere = provider.rename(code / "elsewhere.py")
    try:
        done = toy("detect", examples, "-m", "builtin", "--where", "toy")
    finally:
        elsewhere.rename(provider)
    assert done.returncode == 2
    assert "toy of the package offload-toy 1.0 cannot be imported" in done.stderr


def test_a_runtime_that_our_image_lacks_is_said_before_anything_is_built(
    toy: Toy, examples: Path, tmp_path: Path
) -> None:
    model = tmp_path / "birds.toy"
    model.write_text("parrot")
    done = toy("detect", examples, "-m", model, "--where", "container")
    assert done.returncode == 4
    assert "Building" not in done.stderr
