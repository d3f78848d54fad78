"""Rows as programs get them: with their picture."""

import base64
from collections.abc import Callable, Generator, Iterator
from dataclasses import fields
from html import escape
from typing import Any, Self

from offload import bootstrap
from offload.api.boundary import explained
from offload.domain import results
from offload.domain.errors import OffloadError, UsageError
from offload.domain.results import SHOWN_SCORE
from offload.drivers.images import handed, image_files, pictures
from offload.drivers.images.handed import PilImage, Source
from offload.drivers.images.image_files import FileImage, ImageList
from offload.usecases.context import Context
from offload.usecases.detect.request import Request
from offload.usecases.detect.rows import Summary
from offload.usecases.detect.run import DetectRun, detection, stopped_early

_NAMES = tuple(field.name for field in fields(results.Row))


class Row(results.Row):
    """The result of one image: its detections, best first, or the reason for none in `error`.
    `path` is the image's identity; `width` and `height` are pixels of the upright picture;
    `durations` are seconds by phase. `sent_bytes` left this process for it. `fallback` is why it
    was done at `where` and not at the place asked for; `note` is any remark.

    A notebook shows it as a picture. `pandas.DataFrame(rows)` has one line per image.

    >>> rows = list(offload.detect("examples/images", model="builtin"))
    >>> row = next(row for row in rows if row.path == "red-bus.jpg")
    >>> [(found.label, round(found.score, 1)) for found in row.detections]
    [('bus', 0.7)]
    """

    __slots__ = ("_read",)
    _read: Callable[[str], FileImage]

    @classmethod
    def of(cls, row: results.Row, read: Callable[[str], FileImage]) -> Self:
        """The row with what reads its image."""
        made = cls(*[getattr(row, name) for name in _NAMES])
        object.__setattr__(made, "_read", read)
        return made

    def draw(self, image: Source | None = None, *, min_score: float = SHOWN_SCORE) -> PilImage:
        """The upright picture with the boxes that score at least `min_score`, and their labels, as
        a new PIL image. Pass `image` where the row comes from a file or another process. A very
        small one is enlarged until its labels can be read.

        Raises:
            OffloadError: the image is not known, or can no longer be read.
        """
        return handed.picture(self._drawn(image, min_score)[0])

    def _drawn(self, image: Source | None, min_score: float) -> tuple[bytes, bytes]:
        """Both sizes of the picture, encoded."""
        if image is not None:
            held = single(image)
            file = held.read(held.paths[0])
        elif hasattr(self, "_read"):
            file = self._read(self.path)
        else:
            raise OffloadError("This row has no image.", hint="row.draw('photo.jpg')")
        shown = [found for found in self.detections if found.score >= min_score]
        return pictures.drawn(file.image.data, shown)

    def _repr_html_(self) -> str:
        found = ", ".join(f"{d.label} {d.score:.2f}" for d in self.detections)
        said = escape(f"{self.path}: {self.error or found or 'nothing found'}")
        try:
            small = self._drawn(None, SHOWN_SCORE)[1]
        except OffloadError:
            return f"<p>{said}</p>"
        source = f"data:image/jpeg;base64,{base64.b64encode(small).decode()}"
        return f'<figure><img src="{source}" alt=""><figcaption>{said}</figcaption></figure>'


def single(image: Source, *, sent: bool = True) -> ImageList:
    """What must be one image.

    Raises:
        UsageError: it is none, or several.
    """
    with explained():
        found = image_files.find(handed.sources(image, sent=sent))
        if len(found.paths) != 1:
            raise UsageError(f"Expected one image, got {len(found.paths)}.")
        return found


class Rows(Iterator[Row]):
    """The rows of a job, each as soon as its image is done. `total` is the number of images to do,
    without those already in `out`, and None while the listing of a store runs.

    What was started for the job is stopped after the last row, on `close`, at the end of the `with`
    block, or when the rows are no longer referenced.

    >>> with offload.detect("examples/images", model="builtin") as rows:
    ...     first = next(rows)
    >>> rows.total, rows.summary().images
    (12, 1)
    """

    def __init__(self, request: Request, context: Context) -> None:
        self._rows = _rows(request, context)
        self._run: DetectRun = next(self._rows)  # brings up everything, or says what is wrong

    @property
    def total(self) -> int | None:
        """Images to do; None while the listing of a store runs."""
        return self._run.total

    def __next__(self) -> Row:
        with explained():
            row: Row = next(self._rows)
            return row

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Start no more images, and stop what was started for the job."""
        self._rows.close()

    def summary(self) -> Summary:
        """Totals of the rows so far: images, failures, objects by label, seconds, bytes."""
        return self._run.summary()


def _rows(request: Request, context: Context) -> Generator[Any]:
    """The run once it is ready to go, then its rows."""
    began_s = context.clock()
    split = bootstrap.shared(request, context, began_s)
    with detection(request, context, began_s, split.begun if split else None) as run:
        yield run
        for row in run:
            yield Row.of(row, run.read)
    if not run.complete:
        raise stopped_early(run, request)
