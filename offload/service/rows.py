"""Rows of images whose files come from elsewhere: of pictures that were dropped or queued."""

from collections.abc import Callable
from dataclasses import replace

from offload.domain.errors import ImageError, Unanswered
from offload.domain.results import Row, with_detections
from offload.domain.timing import Clock
from offload.domain.vision import Detections, Image
from offload.drivers.images import image_files


def made(
    row: Row, fetch: Callable[[], bytes], detect: Callable[[Image], Detections], clock: Clock
) -> Row:
    """The row with what is detected in the file that `fetch` gives; what is wrong with that is in
    the row.

    Raises:
        Unanswered: it did not come, which it may the next time.
    """
    began_s = clock()
    try:
        data = fetch()
        row = image_files.described(row, data)
        read_s = clock() - began_s
        found = detect(Image(row.path, data))
    except Unanswered:
        raise
    except ImageError as error:
        return replace(row, error=str(error))
    return with_detections(row, found, read_s)
