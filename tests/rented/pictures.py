"""Pictures enough to be interrupted."""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from PIL import Image

from tests.rented.renter import Rented, shape, until

MANY = 100


def made(folder: Path) -> Path:
    """A hundred pictures in a folder, 7 MB in all."""
    for number in range(MANY):
        noise = random.Random(number).randbytes(240 * 320 * 3)
        Image.frombytes("RGB", (320, 240), noise).save(folder / f"{number:03}.jpg", quality=90)
    return folder


@contextmanager
def slow(machine: Rented) -> Iterator[str]:
    """Its link at 10 Mbit/s meanwhile, which takes six seconds for all pictures; its id."""
    machine_id = machine.id
    shape(machine_id, up=10, down=10, rtt=20)
    try:
        yield machine_id
    finally:
        with suppress(FileNotFoundError, RuntimeError):  # it may be gone by now, or going
            shape(machine_id, up=0, down=0, rtt=0, loss=0)


def lines(folder: Path) -> list[dict[str, Any]]:
    log = folder / "detections.jsonl"
    text = log.read_text() if log.exists() else ""
    return [json.loads(line) for line in text.splitlines()]


def in_the_middle(folder: Path) -> None:
    """Wait until some of the rows are there."""
    until(lambda: len(lines(folder)) >= 10)
    assert len(lines(folder)) < MANY * 0.8


def assert_each_once(folder: Path) -> list[dict[str, Any]]:
    """Every picture has one row."""
    found = lines(folder)
    assert sorted(row["path"] for row in found) == [f"{n:03}.jpg" for n in range(MANY)]
    return found
