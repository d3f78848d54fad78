"""What the routes share: the body's way in, the slots, the model that answers."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeVar

from offload.domain.errors import ImageError, TooManyPixels
from offload.domain.timing import Clock
from offload.domain.vision import Image, Selection
from offload.service import wire
from offload.service.server.intake import Body, Intake
from offload.service.server.metrics import Metrics
from offload.service.server.problems import Problem
from offload.service.server.slots import Slots

T = TypeVar("T")

_SMALL_BYTES = 2**20
"""A body up to this size is read in less time than handing it to a thread would be worth."""

FILE = {"schema": {"type": "string", "format": "binary"}}
FORM = {
    "schema": {
        "type": "object",
        "properties": {"myfile": {"type": "string", "format": "binary"}},
        "required": ["myfile"],
        "additionalProperties": False,
    }
}
"""A body that is a file, and a form that holds one, as OpenAPI describes them."""


@dataclass(slots=True)
class Service:
    """`slots` and `info` are there once the model is loaded and warm."""

    intake: Intake
    token: str | None = field(repr=False)
    clock: Clock
    metrics: Metrics = field(default_factory=Metrics)
    slots: Slots | None = None
    info: wire.Info | None = None

    def ready(self) -> tuple[Slots, wire.Info]:
        """What answers.

        Raises:
            Problem: the model is still loading.
        """
        if self.slots is None or self.info is None:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "The model is still loading.",
                headers={"Retry-After": "1"},
            )
        return self.slots, self.info

    async def detect(
        self,
        body: Body,
        make: Callable[[], bytes],
        selection: Selection | None = None,
        max_pixels: int | None = None,
    ) -> wire.Answer:
        """The answer for the image file that `make` gives; it is called in the slot.

        `body` is what the file came in.

        Raises:
            ImageError: the image cannot be used.
        """
        slots, info = self.ready()
        found = await slots.detect(lambda: Image("", make()), selection, max_pixels)
        answer = wire.Answer(found, body.recv_s, info.identity.sha256)
        self.metrics.detected(answer)
        return answer


async def worked(size_bytes: int, work: Callable[[], T]) -> T:
    """What `work` makes of that many bytes, in a thread if others would have to wait for it."""
    return work() if size_bytes <= _SMALL_BYTES else await asyncio.to_thread(work)


def unusable(error: ImageError) -> Problem:
    """The problem of an image that cannot be used."""
    status, kind = HTTPStatus.UNPROCESSABLE_ENTITY, wire.NO_PICTURE
    if isinstance(error, TooManyPixels):
        status, kind = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, wire.TOO_MANY_PIXELS
    return Problem(status, str(error), kind=kind)
