"""Native libraries that write to standard error whatever one asks of them."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def native_chatter_muted() -> Iterator[None]:
    """Drop what is written to file descriptor 2 meanwhile.

    LiteRT and TensorFlow announce delegates and CPU features there before any of their log levels
    applies. OFFLOAD_NATIVE_LOG=1 lets them speak, for finding out why a model will not load.
    """
    if os.environ.get("OFFLOAD_NATIVE_LOG"):
        yield
        return
    sys.stderr.flush()
    real = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(real, 2)
        os.close(real)
        os.close(nowhere)
