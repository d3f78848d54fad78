"""The images to measure with, drawn from a folder."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from offload.domain.errors import ImageError, UsageError
from offload.domain.results import printable
from offload.drivers.images import image_files, pictures
from offload.drivers.images.image_files import ImageList
from offload.usecases.detect.privacy import KeepLocalRules
from offload.usecases.detect.request import Request

_DRAWN, _MOST_TRIED = 10, 200
_LISTED = 10_000
"""Images of a store that are drawn from: ten pages of its listing."""


@dataclass(frozen=True, slots=True)
class SampledImage:
    """An image that can be opened: its path, the file's size and the picture's longest side."""

    path: str
    bytes: int
    longest_px: int


@dataclass(frozen=True, slots=True)
class SampledFolder:
    """The images to measure with in random order, the first of them that can be opened, and what
    all of them take.
    """

    found: ImageList
    paths: Sequence[str]
    drawn: Sequence[SampledImage]
    bytes: int

    @property
    def mean_bytes(self) -> float:
        """What an image takes."""
        return self.bytes / len(self.paths)


def folder(
    request: Request, rng: random.Random, wanted: int, stay: Sequence[str] = ()
) -> SampledFolder:
    """What the request's sources hold, drawn without replacement; at least `wanted` or ten of them
    are opened. Images that the patterns `stay` name are left out.

    Raises:
        UsageError: they name no image, or none that can be opened.
    """
    found = image_files.find(
        request.sources, recursive=request.recursive, command="profile", most=_LISTED
    )
    staying = KeepLocalRules(found, stay)
    paths = [path for path in rng.sample(found.paths, len(found.paths)) if path not in staying]
    if not paths and found.paths:
        raise UsageError(
            "All of the images must stay here.", hint="To measure this machine: --where local"
        )
    drawn: list[SampledImage] = []
    why = "".join(f"{path}: {reason}" for path, reason in found.problems[:1])
    for path in paths[:_MOST_TRIED]:
        try:
            data = found.read(path).image.data
            side_px = pictures.longest_px(data, request.max_pixels)
            drawn.append(SampledImage(path, len(data), side_px))
        except ImageError as error:
            why = f"{path}: {error}"
        if len(drawn) == max(_DRAWN, wanted):
            break
    if not drawn:
        raise UsageError(f"No image can be opened; {printable(why)}.")
    total_bytes = sum(map(found.size_bytes, paths))
    return SampledFolder(found, paths, drawn, total_bytes)
