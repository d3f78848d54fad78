"""Pictures dropped for a function, and the rows that it made of them."""

import secrets
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace

from offload.domain.errors import ImageError, OffloadError, UsageError
from offload.domain.events import Stop
from offload.domain.results import Json, Row, printable
from offload.drivers.aws.function.calling import AwsFunction
from offload.drivers.aws.function.drops import DropBox
from offload.drivers.host import machine
from offload.drivers.images import image_files
from offload.usecases.context import Context
from offload.usecases.detect import privacy
from offload.usecases.detect.request import Request
from offload.usecases.detect.rows import pull

_UPLOADS = 16
"""At a time: each mostly waits for S3's answer."""
_LOOK_S = 1.0
_PATIENCE_S = 400.0
"""How long no row may come while some are missing: a function that fails is called again after one
minute and then after two, and may take one each time
(https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html).
"""


def opened(context: Context, name: str | None = None) -> DropBox:
    """The drop box of the function of that name, or the one that the settings mean.

    Raises:
        UsageError: it has none.
    """
    function = AwsFunction.connected(name or context.settings.function, _UPLOADS)
    config = function.config()
    if config.bucket is None or config.table is None:
        raise UsageError(
            f"The function {config.name} has no drop box.",
            hint=f"To add one: offload provision lambda --name {config.name} --drop-box",
        )
    return function.box(config.bucket, config.table)


def drop(
    request: Request, context: Context, box: DropBox, *, wait: bool = True
) -> tuple[int, Iterator[Row]]:
    """How many images there are; and each one's row, or before it is waited for, that of what could
    not be dropped. Images are dropped as rows are asked for.

    Raises:
        UsageError: there is no image, or some are to stay here.
    """
    found = image_files.find(request.sources, recursive=request.recursive)
    privacy.check(request, context, found)
    folder = f"{machine.now()[:19].replace(':', '')}-{secrets.token_hex(4)}/"

    def one(path: str) -> tuple[str, Row | None]:
        row = Row(printable(path), "", "", request.where)
        try:
            box.put(folder + row.path, found.read(path).image.data)
        except OffloadError as error:
            why = "" if isinstance(error, ImageError) else "it could not be dropped: "
            return row.path, replace(row, error=f"{why}{error}")
        return row.path, None

    def rows() -> Generator[Row]:
        problems = [
            Row(printable(path), "", "", request.where, error=why) for path, why in found.problems
        ]
        yield from problems
        missing = {printable(path) for path in found.paths}
        for path, refused in pull(found.paths, one, lambda: _UPLOADS, Stop()):
            if refused is not None:
                missing.discard(path)
                yield refused
        if wait:
            yield from gathered(box, folder, missing, context)

    return len(found.paths) + len(found.problems), rows()


def gathered(
    box: DropBox,
    folder: str,
    missing: set[str],
    context: Context,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Row]:
    """The rows of what was dropped into `folder`, as they come; each picture's once."""
    folders = {folder + path.rpartition("/")[0] for path in missing}
    heard_s = context.clock()
    while missing and not context.stop:
        for document in (each for name in folders for each in box.rows(name)):
            row = as_row(document, folder)
            if row.path in missing:
                missing.discard(row.path)
                heard_s = context.clock()
                yield row
        if context.clock() - heard_s > _PATIENCE_S:
            context.reporter.warn(
                f"{len(missing)} images have no row yet. To see what failed: offload results "
                "lambda --failed"
            )
            return
        if missing:
            pause(_LOOK_S)


def as_row(document: Json, folder: str = "") -> Row:
    """A row of the table, named as in its folder."""
    row = Row.from_dict(document)
    return replace(row, path=row.path.removeprefix(folder))
