"""Photographs that come with other people's packages, for trying the tool on real pictures."""

import os
import shutil
from collections.abc import Iterator
from importlib import util

from offload.domain.errors import OffloadError

_SAMPLES = {
    "matplotlib": ("mpl-data/sample_data/grace_hopper.jpg",),
    "skimage": ("data/astronaut.png", "data/chelsea.png", "data/coffee.png"),
}
"""Package -> its photographs, below the package's folder."""


def lay_out(folder: str) -> list[str]:
    """Copy every sample there is into `folder`; the paths made.

    Raises:
        OffloadError: no package with samples is installed.
    """
    found = list(_installed())
    if not found:
        raise OffloadError(
            "No installed package carries sample photographs.",
            hint="To get some: pip install matplotlib scikit-image",
        )
    os.makedirs(folder, exist_ok=True)
    return [shutil.copy(photo, folder) for photo in found]


def _installed() -> Iterator[str]:
    for package, photos in _SAMPLES.items():
        home = util.find_spec(package)
        if home is None or home.origin is None:
            continue
        for photo in photos:
            path = os.path.join(os.path.dirname(home.origin), photo)
            if os.path.exists(path):
                yield path
