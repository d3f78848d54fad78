"""A hundred thousand images, of which CI has six hundred."""

import contextlib
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from tests.cli.test_detect import BUILTIN
from tests.drawing import saved


@pytest.mark.parametrize(
    ("many", "most_bytes"),
    [(600, 2 * 2**20), pytest.param(100_000, 2**27, marks=pytest.mark.soak)],
)
def test_many_images_take_no_more_memory_than_a_few(
    tmp_path: Path, many: int, most_bytes: int
) -> None:
    originals = [saved(tmp_path / "originals" / f"{n}.jpg", noise(n)).resolve() for n in range(20)]
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(many):
        (folder / f"{number:05}.jpg").symlink_to(originals[number % 20])
    log, resident = tmp_path / "out" / "detections.jsonl", []
    words = ("detect", str(folder), "-o", str(tmp_path / "out"), "-q", *BUILTIN)
    # Not a copy of a process, whose pages become its own one by one.
    with subprocess.Popen([sys.executable, "-m", "offload", *words]) as process:
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            if log.exists() and log.stat().st_size:
                with contextlib.suppress(psutil.NoSuchProcess):
                    resident.append(watched.memory_info().rss)
            time.sleep(0.05)
    assert process.returncode == 0
    assert len(log.read_text().splitlines()) == many
    early = max(resident[: len(resident) // 4])
    assert max(resident) < 300 * 2**20
    assert max(resident) - early < most_bytes, "flat but for the index of paths"


def noise(seed: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 255, (12, 16, 3), np.uint8)
    return Image.fromarray(pixels).resize((160, 120))
