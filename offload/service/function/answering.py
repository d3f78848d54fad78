"""A function's environment: a model that is loaded, and one call after the other."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from offload.domain import typed
from offload.domain.errors import ImageError, TooManyPixels, UsageError
from offload.domain.timing import Clock
from offload.domain.vision import Detections, Image, Selection, check_classes
from offload.drivers.http.web import Unreachable
from offload.service import wire
from offload.service.function.call import MOST_BYTES, UNFETCHED, Call, Reply

_MOST_PADDING_BYTES = MOST_BYTES // 2


class Engine(Protocol):
    """What answers: a session whose selection may differ from image to image."""

    def detect(
        self, image: Image, selection: Selection | None = None, max_pixels: int | None = None
    ) -> Detections:
        """Find the objects of one image."""


@dataclass(slots=True)
class Function:
    """Answers calls, of which nothing is kept. `info` says what it is, `fetch` gives the file
    behind a URL, `init_s` is how long it took to come up; `calls` have come so far.
    """

    engine: Engine
    info: wire.Info
    init_s: float
    fetch: Callable[[str], bytes]
    clock: Clock
    calls: int = 0

    def answer(self, event: Any, request_id: str) -> Any:
        """The reply to a call, both as JSON types. What is wrong with a call or its picture is a
        problem in the reply.
        """
        init_s = None if self.calls else round(self.init_s, 6)
        self.calls += 1
        reply = Reply(request_id, init_s)
        try:
            call = typed.read(Call, event)
        except ValueError as error:
            return typed.builtins(replace(reply, problem=no_call(error)))
        try:
            reply = self._answered(call, reply)
        except TooManyPixels as error:
            reply = replace(reply, problem=wire.Refusal(wire.TOO_MANY_PIXELS, str(error)))
        except ImageError as error:
            reply = replace(reply, problem=wire.Refusal(wire.NO_PICTURE, str(error)))
        except Unreachable as error:
            reply = replace(reply, problem=wire.Refusal(UNFETCHED, str(error)))
        except UsageError as error:
            reply = replace(reply, problem=wire.Refusal(detail=str(error)))
        return typed.builtins(reply)

    def _answered(self, call: Call, reply: Reply) -> Reply:
        if call.answer_bytes is not None:
            return replace(reply, padding=os.urandom(min(call.answer_bytes, _MOST_PADDING_BYTES)))
        began_s = self.clock()
        data = self.fetch(call.url) if call.url is not None else call.picture
        if data is None:
            return replace(reply, info=self.info)
        recv_s = self.clock() - began_s
        selection = call.selection(self.info.min_score)
        check_classes(selection, self.info.labels)
        found = self.engine.detect(Image("", data), selection, call.max_pixels)
        answer = wire.Answer.of(found, recv_s, self.info.model.sha256)
        return replace(reply, answer=answer)


def no_call(error: ValueError) -> wire.Refusal:
    """The problem of an event that is neither a call nor S3's."""
    return wire.Refusal(detail=f"This is no call of offload's: {error}.")
