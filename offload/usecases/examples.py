"""Pictures to try the tool on: ours, and photographs that come with other people's packages."""

import os
import shutil
from collections.abc import Iterator
from importlib import resources, util

from offload.domain.errors import UsageError
from offload.drivers.images import image_files

_SAMPLES = {
    "matplotlib": ("mpl-data/sample_data/grace_hopper.jpg",),
    "skimage": ("data/astronaut.png", "data/chelsea.png", "data/coffee.png"),
}
"""Package -> its photographs, below the package's folder."""


def lay_out(folder: str) -> list[str]:
    """Copy every sample there is into `folder`; the paths made.

    Raises:
        UsageError: the folder cannot be written.
    """
    try:
        os.makedirs(folder, exist_ok=True)
        return [shutil.copy(picture, folder) for picture in (*_ours(), *_photographs())]
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"Cannot write pictures to {folder!r}: {reason}.") from error


def _ours() -> list[str]:
    """The project's own pictures: inside the installed package, or beside it in a checkout."""
    package = str(resources.files("offload"))
    for home in (f"{package}/examples", f"{os.path.dirname(package)}/examples/images"):
        if os.path.isdir(home):
            return [os.path.join(home, path) for path in image_files.find([home]).paths]
    return []


def _photographs() -> Iterator[str]:
    for package, photos in _SAMPLES.items():
        home = util.find_spec(package)
        if home is not None and home.origin is not None:
            folder = os.path.dirname(home.origin)
            yield from filter(os.path.exists, (os.path.join(folder, photo) for photo in photos))
