"""Images in a store, counted and some of them measured here before advice speaks of them."""

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from offload.domain.errors import ImageError, UsageError
from offload.domain.vision import MAX_FILE_BYTES
from offload.drivers.images.walk import is_picture
from offload.drivers.objects.store import opened
from offload.usecases.advise.question import Question
from offload.usecases.context import Context
from offload.usecases.detect.request import Request
from offload.usecases.profile.profile import measurements

SAMPLE = 100
_BUDGET_S = 10.0
_LOOKED_AT = 10_000
"""Images that a sample is drawn from where their number is known: ten pages of a listing."""
_TOLD = 1_000_000
_AT_A_TIME = 16


def looked_at(question: Question, context: Context) -> Question:
    """The question with the number and weight of its images, after a sample of them was read from
    the store, worked on here and kept as a measurement; with a file of measurements only counted.
    Where the number is given the store is not listed to its end.

    Raises:
        OffloadError: the store refuses.
        UsageError: it is one of several sources, or holds no image.
    """
    url = _only(question)
    census = _census(url, question.images, context)
    if not census.images:
        raise UsageError(
            f"There are no images in {url}.", hint="To advise on a number: offload advise -n 200"
        )
    images = question.images or census.images
    if question.from_file is None:
        _measure(url, census, question, context)
    counted = images, images * census.bytes / census.images
    return replace(question, counted=counted, images=None)


def _only(question: Question) -> str:
    url, *others = question.sources
    if others or not isinstance(url, str):
        raise UsageError(
            "Advice takes one store, and nothing beside it.",
            hint="For instance: offload advise s3://BUCKET/photos/",
        )
    return url.rstrip("/")


@dataclass(slots=True)
class _Census:
    """How many images were listed, what they weigh, and some of their keys, drawn at random: each
    of those listed so far is as likely to be among them (Vitter's algorithm R, 1985).
    """

    images: int = 0
    bytes: int = 0
    sample: list[str] = field(default_factory=list)

    def add(self, key: str, size_bytes: int, rng: random.Random) -> None:
        """Count one."""
        self.images += 1
        self.bytes += size_bytes
        if len(self.sample) < SAMPLE:
            self.sample.append(key)
        elif (place := rng.randrange(self.images)) < SAMPLE:
            self.sample[place] = key


def _census(url: str, images: int | None, context: Context) -> _Census:
    census, rng = _Census(), random.Random()  # noqa: S311 - no secret hangs on it
    most = None if images is None else _LOOKED_AT
    if most is None:
        context.reporter.note(f"Counting the images in {url}; to say their number: --images N")
    pictures = (each for each in opened(url).list() if is_picture(each.key))
    for each in islice(pictures, most):
        census.add(each.key, each.size_bytes, rng)
        if not census.images % _TOLD:
            context.reporter.note(f"{census.images:,} images counted")
    return census


def _measure(url: str, census: _Census, question: Question, context: Context) -> None:
    """Measure this process with the sample, of which a copy lies on this disk meanwhile."""
    number = len(census.sample)
    context.reporter.note(f"Measuring this machine with {number} of {url}, which are read here.")
    with TemporaryDirectory() as folder:
        _copy(url, census.sample, Path(folder))
        request = Request((folder,), model=question.model)
        with context.history() as store:
            for found in measurements([request], context, _BUDGET_S, []):
                store.add(found)


def _copy(url: str, keys: Sequence[str], folder: Path) -> None:
    """Images by their numbers; one that is gone since it was listed, or huge, is left out."""
    source = opened(url)

    def copy(number: int, key: str) -> None:
        with suppress(ImageError):
            if (found := source.read(key, MAX_FILE_BYTES)) is not None:
                (folder / f"{number}{Path(key).suffix}").write_bytes(found.data)

    with ThreadPoolExecutor(_AT_A_TIME) as threads:
        list(threads.map(copy, range(len(keys)), keys))
