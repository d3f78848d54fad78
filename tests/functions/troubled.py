"""Our handler, which some pictures trouble as none of ours does by itself."""

import base64
import os
import time
from typing import Any

HANG, END, FAIL = b"(hang)", b"(end)", b"(fail)"
"""The bytes of pictures on which the function takes for ever, ends, or fails."""


def __getattr__(name: str) -> Any:
    if name != "handler":
        raise AttributeError(name)
    from offload.cli import function

    handler = function.handler

    def troubled(event: Any, called: Any) -> Any:
        picture = base64.b64decode(event.get("picture") or "")
        if picture == HANG:
            time.sleep(600)
        if picture == END:
            os._exit(1)
        if picture == FAIL:
            raise RuntimeError("a bug of ours")
        return handler(event, called)

    return troubled
