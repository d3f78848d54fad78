"""WHAT runs: model runtimes behind one protocol. A runtime is one module and one line here, or an
entry point of another package. Its module has `load`, which takes a `source.ModelSource` and
otherwise what `load` here does; one of another package also has `recognises(path)`, which says
whether a model on this disk is one of its own.
"""

from collections.abc import Sequence

from offload.domain.ports import Detector, Model
from offload.drivers.host.plugins import Registry

DETECTORS = Registry(
    "runtime",
    "offload.detectors",
    {"tflite": "offload.detectors.tflite", "savedmodel": "offload.detectors.savedmodel"},
)
"""Runtime name -> its module, imported when first asked for."""


def load(model: Model, count: int, threads: int) -> Sequence[Detector]:
    """`count` detectors of one model, each with `threads` threads of its own, that may run at the
    same time.

    Raises:
        UsageError: there is no such runtime.
        ModelError: the file cannot be run or does not answer as a detector does.
    """
    runtime = DETECTORS.module(model.identity.runtime)
    loaded: Sequence[Detector] = runtime.load(model, count, threads)
    return loaded
