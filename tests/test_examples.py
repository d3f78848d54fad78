import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from offload.domain.vision import iou
from tests.conftest import PROJECT


def run(script: str, *arguments: object) -> str:
    command = [sys.executable, str(PROJECT / "examples" / script), *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_detector_finds_in_the_example_pictures_what_stands_beside_them(
    examples: Path,
) -> None:
    expected = json.loads((examples / "expected.json").read_text())
    found = json.loads(run("expect.py"))
    assert len(expected) == 12
    assert set(found) == set(expected)
    for path, wanted in expected.items():
        assert wanted, f"{path} must show something the detector knows"
        assert [d["label"] for d in found[path]] == [d["label"] for d in wanted]
        for ours, theirs in zip(found[path], wanted, strict=True):
            assert ours["score"] == pytest.approx(theirs["score"], abs=0.02)
            boxes = np.array([ours["box"], theirs["box"]])
            assert iou(boxes[0], boxes[1]) > 0.95


def test_the_people_in_the_example_pictures_are_counted(examples: Path) -> None:
    expected = json.loads((examples / "expected.json").read_text())
    people = sum(d["label"] == "person" for found in expected.values() for d in found)
    assert run("count_people.py", examples) == f"{people} people\n"


def test_the_pictures_are_small_enough_to_ship(examples: Path) -> None:
    assert sum(picture.stat().st_size for picture in examples.iterdir()) < 1.5 * 2**20
