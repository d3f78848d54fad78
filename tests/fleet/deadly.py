"""`offload` in a process that ends, as for want of memory, as soon as it comes to one image."""

import os
import runpy
import signal
from typing import Any

from offload.places.inprocess import InProcessSession

POISON = "poison.jpg"
_detect = InProcessSession.detect


def _deadly(session: InProcessSession, image: Any, *more: Any) -> Any:
    if image.path == POISON:
        os.kill(os.getpid(), signal.SIGKILL)
    return _detect(session, image, *more)


if __name__ == "__main__":
    setattr(InProcessSession, "detect", _deadly)  # noqa: B010 - types would not agree
    runpy.run_module("offload", run_name="__main__")
