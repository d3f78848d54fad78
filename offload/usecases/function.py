"""A function's environment put together: its model is loaded and warm, then it takes calls."""

import functools
import os
import tempfile
from collections.abc import Callable
from typing import Any

from offload import detectors
from offload.detectors import source
from offload.detectors.source import ModelSource
from offload.domain.prices import CORE_MB
from offload.domain.vision import MAX_FILE_BYTES, Image, Selection
from offload.drivers.aws import account
from offload.drivers.aws.function.drops import DropBox
from offload.drivers.host import machine
from offload.drivers.http import web
from offload.drivers.images import pictures
from offload.places.inprocess import InProcess, InProcessSession
from offload.service.function.answering import Function
from offload.service.function.call import MOST_BYTES
from offload.service.function.dropped import DroppedPictures
from offload.service.wire import Info, Startup
from offload.usecases.context import Context
from offload.version import __version__


def opened(
    context: Context, memory_mb: int, table: str = "", where: str = ""
) -> Callable[[Any, Any], Any]:
    """What AWS Lambda calls with an event and a context; `memory_mb` is what the function has.
    Rows of dropped pictures go into `table`, and say that they were made at `where`.

    Raises:
        OffloadError: there is no model, or it cannot be run.
    """
    model = source.chosen(context.settings.model, context.hub, None)
    threads = context.settings.threads or max(1, memory_mb // CORE_MB)
    place = InProcess(
        model,
        lambda _images: detectors.load(model, 1, threads),
        pictures.MAX_PIXELS,
        context.clock,
    )
    engine = place.open(Selection(min_score=model.min_score), 1).__enter__()  # until it is killed
    info = _described(model, threads, engine)
    function = Function(engine, info, machine.process_age_s(), _fetched, context.clock)

    def box(bucket: str) -> DropBox:
        return DropBox(_clients(), bucket, table)

    dropped = DroppedPictures(engine, info, box, context.clock, machine.now, where)

    def handler(event: Any, called: Any) -> Any:
        if isinstance(event, dict) and "Records" in event:
            return dropped.answer(event, called.aws_request_id)
        return function.answer(event, called.aws_request_id)

    return handler


def _described(model: ModelSource, threads: int, engine: InProcessSession) -> Info:
    """What the function says of itself, after a first detection."""
    warm_up_s = round(engine.detect(Image("warm-up", pictures.sample())).durations.total_s, 6)
    return Info(
        service="offload",
        version=__version__,
        model=model.identity,
        labels=model.labels,
        min_score=model.min_score,
        workers=1,
        threads=threads,
        queue=0,
        max_bytes=MOST_BYTES,
        max_pixels=pictures.MAX_PIXELS,
        machine=machine.describe(),
        startup=Startup(round(sum(engine.phases.values()), 6), warm_up_s, warm_up_s),
    )


@functools.cache
def _clients() -> Callable[[str], Any]:
    """boto3's, whose import takes a while, which only drop boxes need."""
    return functools.cache(functools.partial(account.client, account.session()))


def _fetched(url: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        part = os.path.join(folder, "picture")
        web.download(url, part, lambda _have, _total: None, MAX_FILE_BYTES)
        with open(part, "rb") as file:
            return file.read()
