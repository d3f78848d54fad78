"""What `offload detect` reports, and comparing it."""

import json
from pathlib import Path
from typing import Any

import pytest

Rows = dict[str, dict[str, Any]]


def rows(text: str) -> Rows:
    """Rows by path, each path once."""
    found = [json.loads(line) for line in text.splitlines()]
    assert len({row["path"] for row in found}) == len(found)
    return {row["path"]: row for row in found}


def in_folder(folder: Path) -> Rows:
    """Those of a results folder."""
    return rows((folder / "detections.jsonl").read_text())


def assert_same(there: Rows, here: Rows) -> None:
    """The same size and the same objects in every picture."""
    assert there.keys() == here.keys()
    for path, row in there.items():
        other = here[path]
        assert (row["width"], row["height"]) == (other["width"], other["height"]), path
        assert len(row["detections"]) == len(other["detections"]), path
        for one, two in zip(row["detections"], other["detections"], strict=True):
            assert one["label"] == two["label"], path
            assert one["score"] == pytest.approx(two["score"], abs=1e-3), path
            assert overlap(one["box"], two["box"]) > 0.99, path


def overlap(one: list[float], two: list[float]) -> float:
    """Intersection over union of two boxes."""
    sides = [min(one[n + 2], two[n + 2]) - max(one[n], two[n]) for n in (0, 1)]
    common = max(0.0, sides[0]) * max(0.0, sides[1])
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, two)]
    return common / (sum(areas) - common)
