"""Batches on folders, for tests."""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from offload.drivers.objects import packed
from tests.conftest import PROJECT

EXAMPLES = PROJECT / "examples" / "images"


def filled(folder: Path, images: int) -> Path:
    """A folder with copies of the example pictures."""
    pictures = sorted(EXAMPLES.glob("*.jpg"))
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(images):
        shutil.copyfile(pictures[number % len(pictures)], folder / f"{number:04}.jpg")
    return folder


def rows(out: Path) -> list[dict[str, Any]]:
    """All rows under an output."""
    found = sorted((out / "rows").glob("*.zst"))
    return [json.loads(line) for each in found for line in packed.lines(each.read_bytes())]


def paths(out: Path) -> Counter[str]:
    """How many rows each image has."""
    return Counter(row["path"] for row in rows(out))


def document(out: Path, name: str) -> dict[str, Any]:
    """One of the documents under an output."""
    found: dict[str, Any] = json.loads((out / name).read_text())
    return found
