"""Models by their names, from a hub to detections."""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from offload import detect
from offload.detectors.catalogue import NAMED, PREFERRED
from offload.drivers.folders.files import sha256_of
from tests import hub, savedmodels
from tests.conftest import Offload, on_a_terminal
from tests.drawing import saved
from tests.hub import ModelHub

ZOO = "ssd-mobilenet-v2"
LABELS = "zebra\n???\nlion\n"
PULLED = "someone/lite-model/1"
BOX = (0.25, 0.5, 0.5, 1.0)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ModelHub]:
    with hub.serving() as served:
        file = savedmodels.tflite_with_metadata(tmp_path / "served.tflite", LABELS)
        served.put_tflite(PULLED, file.read_bytes())
        yield served


@pytest.fixture
def asking(served: ModelHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of whoever asks that hub."""
    monkeypatch.setenv("OFFLOAD_HUB", served.url)
    monkeypatch.setenv("OFFLOAD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def listed(offload: Offload) -> dict[str, Any]:
    rows = json.loads(offload("models", "list", "--json").stdout)["models"]
    return {row["name"]: row for row in rows}


def shown(offload: Offload, name: str) -> Any:
    return json.loads(offload("models", "show", name, "--json").stdout)


def test_a_pulled_model_is_here_and_shown_with_its_sha256(
    offload: Offload, served: ModelHub, asking: Path
) -> None:
    before = listed(offload)
    assert set(before) == set(NAMED)
    assert [name for name, row in before.items() if row["cached"]] == ["builtin"]
    assert not shown(offload, PULLED)["here"]
    assert served.asked == []

    pulled = offload("models", "pull", PULLED)
    assert (pulled.stderr, pulled.returncode) == ("", 0)
    name, sha256, path = pulled.stdout.split()
    assert name == PULLED
    assert sha256 == sha256_of(path)
    assert Path(path).is_relative_to(asking)

    served.asked.clear()
    assert offload("models", "pull", PULLED).stdout == pulled.stdout
    row = listed(offload)[PULLED]
    assert row["cached"]
    assert row["bytes"] == os.path.getsize(path)
    facts = shown(offload, PULLED)
    assert facts["here"]
    assert (facts["sha256"], facts["path"], facts["runtime"]) == (sha256, path, "tflite")
    assert facts["labels"] == {"1": "zebra", "3": "lion"}
    assert facts["licence"] == "see its page"
    assert served.asked == []


def test_a_person_watching_a_download_sees_it_progress(asking: Path) -> None:
    exit_code, seen = on_a_terminal("models", "pull", PULLED)
    assert exit_code == 0
    assert "1.8/1.8 MB" in seen
    assert "Traceback" not in seen


def test_people_get_tables(offload: Offload, asking: Path) -> None:
    table = offload("models", "list").stdout.splitlines()
    assert table[0].split() == ["name", "runtime", "accuracy", "licence", "size", "here"]
    assert [line.split()[0] for line in table[1:]] == list(NAMED)
    assert "person" in offload("models", "show", "builtin").stdout


def test_a_damaged_copy_is_named_with_the_command_that_repairs_it(
    offload: Offload, asking: Path
) -> None:
    pulled = offload("models", "pull", PULLED)
    path = Path(pulled.stdout.split()[2])
    path.write_bytes(path.read_bytes()[:-1])
    for arguments in (("pull", PULLED), ("show", PULLED)):
        failed = offload("models", *arguments)
        assert failed.returncode == 1
        error, hint = failed.stderr.splitlines()
        assert error.startswith("error: The cached model")
        assert hint.endswith(f"offload models pull {PULLED} --force")
    repaired = offload("models", "pull", PULLED, "--force")
    assert (repaired.stdout, repaired.returncode) == (pulled.stdout, 0)


def test_what_cannot_be_pulled_is_explained_in_two_lines(
    offload: Offload, served: ModelHub, asking: Path
) -> None:
    failed = offload("models", "pull", ZOO)  # not on this hub
    assert (failed.stdout, failed.returncode) == ("", 1)
    error, hint = failed.stderr.splitlines()
    assert error.startswith(f"error: {ZOO} cannot be fetched: {served.url}/")
    assert error.endswith("answers 404 Not Found.")
    assert f"offload models pull {ZOO};" in hint
    unknown = offload("models", "pull", "yolo")
    assert (unknown.stdout, unknown.returncode) == ("", 2)
    assert "offload models list" in unknown.stderr


def test_without_a_wish_the_hubs_model_detects(
    served: ModelHub, examples: Path, asking: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = served.redirects[f"/{PULLED}{hub.LITE}"]
    data = served.files[path]
    served.put_tflite(NAMED[PREFERRED].handle, data)
    known = replace(NAMED[PREFERRED], sha256=hashlib.sha256(data).hexdigest())
    monkeypatch.setitem(NAMED, PREFERRED, known)
    rows = list(detect(str(examples)))
    assert {row.model for row in rows} == {PREFERRED}
    assert "zebra" in {found.label for row in rows for found in row.detections}


def test_a_named_model_is_never_another_one_whatever_a_hub_delivers(
    offload: Offload, served: ModelHub, asking: Path
) -> None:
    served.put_tflite(NAMED[PREFERRED].handle, b"\x1c\x00\x00\x00TFL3 of somebody else")
    failed = offload("models", "pull", PREFERRED)
    assert (failed.stdout, failed.returncode) == ("", 1)
    error, hint = failed.stderr.splitlines()
    assert f"different bytes than are known as {PREFERRED} (SHA-256 " in error
    assert "instead of 2e04c53bfeac…" in error
    assert "--model FILE" in hint
    assert not listed(offload)[PREFERRED]["cached"]


def test_without_hub_and_wish_the_embedded_model_detects_with_one_warning(
    offload: Offload, examples: Path
) -> None:
    done = offload("detect", examples, "--json")
    assert done.returncode == 0
    (warning,) = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert warning.endswith(f"offload models pull {PREFERRED}")
    assert " at local with builtin\n" in done.stderr


@pytest.mark.xdist_group("tensorflow")
def test_a_saved_model_from_the_hub_detects_without_library_chatter(
    offload: Offload, served: ModelHub, asking: Path, tmp_path: Path
) -> None:
    served.put_saved_model(NAMED[ZOO].handle, savedmodels.zoo(tmp_path / "zoo"))
    pixels, mean = savedmodels.picture(BOX, side=320)
    for name in "abc":
        saved(tmp_path / "photos" / f"{name}.png", Image.fromarray(pixels), "PNG")
    options = "--model", ZOO, "--min-score", mean / 2, "--json"
    done = offload("detect", tmp_path / "photos", *options)
    assert done.returncode == 0
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(row["path"] for row in rows) == ["a.png", "b.png", "c.png"]
    for row in rows:
        (found,) = row["detections"]
        assert (found["label"], found["id"]) == ("dog", 18)
        assert found["score"] == pytest.approx(mean, abs=1e-4)
    run, objects = done.stderr.splitlines()
    assert run.startswith("3 images, 0 failed, ")
    assert run.endswith(f" images/s at local with {ZOO}")
    assert objects == "3 objects: 3 dog"
    assert len(served.asked) == 1
