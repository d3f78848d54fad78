"""Pictures decoded and models run that are damaged at random, in a process of its own: libraries
written in C may end it. It says on standard output which case it is at.

    python -m tests.attack.fuzzing pictures|models SEED COUNT FOLDER
"""

import json
import os
import random
import resource
import sys
from collections.abc import Callable
from importlib import resources
from pathlib import Path

from offload import detect
from offload.domain.errors import ImageError, OffloadError
from offload.domain.vision import Box, Detection, InputSpec
from offload.drivers.images import pictures, stripping
from tests.attack.damage import damaged
from tests.drawing import encoded, saved, scene

MOST_CPU_S, MOST_BYTES = 20, 4 * 2**30
"""Of one case, and of address space."""
MOST_PIXELS = 1_000_000

_SPEC = InputSpec(32, 32)
_FOUND = (Detection("dog", 18, 0.9, Box(0.1, 0.2, 0.3, 0.4)),)
_WHOLE = [
    encoded(scene(), "JPEG"), encoded(scene(), "JPEG", progressive=True), encoded(scene(), "PNG"),
    encoded(scene(), "WEBP"), encoded(scene(), "WEBP", lossless=True), encoded(scene(), "BMP"),
    encoded(scene(), "GIF", save_all=True, append_images=[scene().rotate(90)]),
    encoded(scene(), "TIFF"), encoded(scene(), "TIFF", compression="tiff_lzw"),
]  # fmt: skip
_USES: tuple[Callable[[bytes], object], ...] = (
    lambda data: pictures.decode(data, _SPEC, MOST_PIXELS),
    lambda data: pictures.drawn(data, _FOUND, MOST_PIXELS)[0],
    lambda data: pictures.smaller(data, 16, 90, MOST_PIXELS),
    lambda data: pictures.longest_px(data, MOST_PIXELS),
    lambda data: stripping.strip(data, MOST_PIXELS),
)


def try_pictures(luck: random.Random, _folder: Path) -> None:
    """A damaged picture, used in every way."""
    data = damaged(luck.choice(_WHOLE), luck)
    for use in _USES:
        try:
            use(data)
        except ImageError as error:
            assert str(error)


def try_models(luck: random.Random, folder: Path) -> None:
    """A damaged model, asked for what is in a picture."""
    whole = resources.files("offload.detectors").joinpath("builtin", "model.tflite").read_bytes()
    model = folder / "model.tflite"
    model.write_bytes(damaged(whole, luck))
    try:
        for row in detect(str(saved(folder / "photo.jpg")), model=str(model)):
            json.dumps(row.to_dict(), allow_nan=False)
    except OffloadError as error:
        assert str(error)


def main(kind: str, seed: str, count: str, folder: str) -> None:
    """Try so many, each in a process of its own where the library is known to end it."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    for case in range(int(seed), int(seed) + int(count)):
        print(case, flush=True)
        spent_s = int(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
        resource.setrlimit(resource.RLIMIT_CPU, (spent_s + MOST_CPU_S, resource.RLIM_INFINITY))
        {"pictures": try_pictures, "models": try_models}[kind](random.Random(case), Path(folder))


if __name__ == "__main__":
    os.environ["OFFLOAD_HUB"] = "http://127.0.0.1:9"
    main(*sys.argv[1:])
