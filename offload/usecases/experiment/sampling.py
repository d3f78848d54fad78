"""The images of a study: a folder's, in an order drawn once and for all."""

import hashlib
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from offload.domain.errors import UsageError
from offload.drivers.folders.files import atomic_write_bytes
from offload.drivers.images import image_files
from offload.drivers.objects.store import is_url

_USUAL = (1, 2, 5, 10, 20, 50, 100, 200)


@dataclass(frozen=True, slots=True)
class Subset:
    """Paths below `root`, shuffled."""

    root: str
    paths: Sequence[str]

    @property
    def digest(self) -> str:
        """Equal for the same paths in the same order."""
        joined = "\0".join(self.paths)
        return hashlib.sha256(joined.encode("utf-8", "surrogateescape")).hexdigest()[:16]

    def total_bytes(self) -> list[int]:
        """What the first 0, 1, 2, … images weigh together."""
        each = (image_files.size_bytes(self.root, path) for path in self.paths)
        return list(accumulate(each, initial=0))

    def listed(self, images: int, file: str) -> str:
        """`file`, which then lists the first so many images."""
        located = [os.path.abspath(os.path.join(self.root, path)) for path in self.paths[:images]]
        # Names may hold anything but a NUL.
        atomic_write_bytes(file, b"".join(os.fsencode(path) + b"\0" for path in located))
        return file


def drawn(
    sources: Sequence[str], seed: int, wanted: int, *, recursive: bool, skip: str | None
) -> Subset:
    """What the sources name, in the order that `seed` gives; at least `wanted` images. `skip` is a
    folder left out.

    Raises:
        UsageError: they name fewer, or images that are not here.
    """
    if stored := [source for source in sources if is_url(source)]:
        raise UsageError(
            f"A study reads its images for every job, and {stored[0]} is not on this machine.",
            hint="Copy some of them into a folder, and name that.",
        )
    found = image_files.find(sources, recursive=recursive, skip=skip, command="experiment")
    have = len(found.paths)
    if have < wanted:
        raise UsageError(
            f"{wanted} images are asked for, but there are {have}.",
            hint=f"For instance: --images {','.join(map(str, usual(have)))}" if have else "",
        )
    luck = random.Random(seed)  # noqa: S311 - no secret hangs on it
    return Subset(found.root, luck.sample(found.paths, have))


def usual(have: int) -> tuple[int, ...]:
    """Numbers of images to have where there are so many."""
    return tuple(number for number in _USUAL if number <= have)
