"""WHAT runs: model runtimes behind one protocol. A runtime is one module and one line here, or an
entry point of another package. Its module has `load`, which takes a `source.ModelSource` and
otherwise what `load` here does; one of another package also has `recognises(path)`, which says
whether a model on this disk is one of its own.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from offload.drivers.host.plugins import Registry

if TYPE_CHECKING:
    from offload.domain.ports import Detector, Model

DETECTORS = Registry(
    "runtime",
    "offload.detectors",
    {
        "tflite": "offload.detectors.tflite",
        "savedmodel": "offload.detectors.savedmodel",
        "onnx": "offload.detectors.onnx",
    },
)
"""Runtime name -> its module, imported when first asked for."""


def load(model: "Model", count: int, threads: int) -> "Sequence[Detector]":
    """`count` detectors of one model, each with `threads` threads of its own, that may run at the
    same time.

    Raises:
        UsageError: there is no such runtime.
        ModelError: the file cannot be run or does not answer as a detector does.
    """
    runtime = DETECTORS.module(model.identity.runtime)
    with native_chatter_muted():
        loaded: Sequence[Detector] = runtime.load(model, count, threads)
    return loaded


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
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(real, 2)
        os.close(real)
