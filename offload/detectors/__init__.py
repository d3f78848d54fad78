"""WHAT runs: model runtimes behind one protocol. A runtime is one module and one line here, or an
entry point of another package. Its module has `load`, which is a `Loader`; one of another package
also has `recognises(path)`, which says whether a model on this disk is one of its own.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from offload.domain.ports import Detector
from offload.drivers.host.plugins import Registry

if TYPE_CHECKING:
    from offload.detectors.source import ModelSource

Loader = Callable[["ModelSource", int, int], Sequence[Detector]]
"""(model, number of detectors, threads of each) -> detectors that may run at the same time."""

DETECTORS = Registry(
    "runtime",
    "offload.detectors",
    {"tflite": "offload.detectors.tflite", "savedmodel": "offload.detectors.savedmodel"},
)
"""Runtime name -> its module, imported when first asked for."""


def load(model: "ModelSource", count: int, threads: int) -> Sequence[Detector]:
    """`count` detectors of one model, each with `threads` threads of its own.

    Raises:
        UsageError: there is no such runtime.
        ModelError: the file cannot be run or does not answer as a detector does.
    """
    loader: Loader = DETECTORS.module(model.runtime).load
    return loader(model, count, threads)
