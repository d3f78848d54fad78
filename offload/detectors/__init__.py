"""WHAT runs: model runtimes behind one protocol. A runtime is one module and one line here."""

from collections.abc import Callable, Sequence
from importlib import import_module

from offload.detectors.source import ModelSource
from offload.domain.ports import Detector

Loader = Callable[[ModelSource, int, int], Sequence[Detector]]
"""(model, number of detectors, threads of each) -> detectors that may run at the same time."""

DETECTORS = {
    "tflite": "offload.detectors.tflite:load",
    "savedmodel": "offload.detectors.savedmodel:load",
}
"""Runtime name -> "module:function", imported when first asked for."""


def load(model: ModelSource, count: int, threads: int) -> Sequence[Detector]:
    """`count` detectors of one model, each with `threads` threads of its own.

    Raises:
        ModelError: the file cannot be run or does not answer as a detector does.
    """
    module, _, function = DETECTORS[model.runtime].partition(":")
    loader: Loader = getattr(import_module(module), function)
    return loader(model, count, threads)
