"""TensorFlow SavedModels. The only importer of tensorflow and tensorflow_hub."""

import os
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offload.detectors.source import ModelSource, check
from offload.domain.errors import ModelError
from offload.domain.vision import InputSpec, Pixels, RawDetections
from offload.drivers.folders.files import sha256_of

_DEFAULT_INPUT = InputSpec(640, 640)
_SIGNATURES = ("serving_default", "default")
_BATCH = 4  # on a CPU of two cores 4 measured 1.05 times as fast as 1, and 16 no faster


def load(model: ModelSource, count: int, threads: int) -> Sequence["SavedModelDetector"]:
    """One loaded model `count` times over: its function may be called from several threads.

    TensorFlow's thread pools are the process's own and set when it starts, so `threads` is what
    each operator may use of the machine.
    """
    _configure(count, threads)
    return [SavedModelDetector(model)] * count


def _configure(count: int, threads: int) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        # pkg_resources' farewell, once removed APIs of Keras 2
        with warnings.catch_warnings(action="ignore"):
            import tensorflow as tf
            import tensorflow_hub  # noqa: F401 - imported here for its warnings' sake
    except ModuleNotFoundError as error:
        raise ModelError(
            f"SavedModels need {error.name}, which is not installed here.",
            hint="To install it: pip install tensorflow tensorflow-hub; for a container image "
            "with both: docker build --build-arg RUNTIME=tensorflow .",
        ) from error
    tf.get_logger().setLevel("ERROR")
    with suppress(RuntimeError):  # it is running already, with the threads of the first model
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(count)


class SavedModelDetector:
    """A signature of a SavedModel, called with one shape only so that nothing is retraced.

    Two conventions are read: the TensorFlow 2 detection zoo's (uint8 in, class ids out) and the
    Open Images modules' (float32 in 0..1 in, names out).
    """

    def __init__(self, model: ModelSource) -> None:
        import tensorflow as tf
        import tensorflow_hub as hub

        self._tf = tf
        self._path = model.path
        try:
            # Held for good: the signature only borrows the weights from it.
            self._loaded = hub.load(model.path)
        except (OSError, ValueError, RuntimeError, tf.errors.OpError) as error:
            raise ModelError(f"TensorFlow cannot load {model.path}: {_reason(error)}") from error
        check(model.path, model.identity.sha256, sha256_of(model.path))
        signatures = getattr(self._loaded, "signatures", {})
        name = next((each for each in (*_SIGNATURES, *signatures) if each in signatures), None)
        if name is None:
            raise ModelError(f"{model.path} has no usable signature.")
        self._function = signatures[name]
        self._argument, spec = self._single_input(model)
        self._dtype = spec.dtype.as_numpy_dtype
        batch, height, width, _ = spec.shape.as_list()
        self._fewest = batch or 1
        wish = model.input or _DEFAULT_INPUT
        self.input = InputSpec(height or wish.height, width or wish.width, wish.pad)
        self.max_batch = batch or _BATCH
        self.labels = model.labels
        self._check_outputs(model)

    def detect(self, batch: Sequence[Pixels]) -> list[RawDetections]:
        """Answer for up to `max_batch` pictures, each [height, width, 3]."""
        # A model for exactly so many pictures is handed no fewer.
        fill = [batch[0]] * (self._fewest - len(batch))
        pixels: NDArray[Any] = np.stack([*batch, *fill])
        if self._dtype == np.float32:
            pixels = pixels.astype(np.float32) * np.float32(1 / 255)
        try:
            answer = self._function(**{self._argument: self._tf.constant(pixels)})
        except self._tf.errors.OpError as error:
            raise ModelError(f"TensorFlow cannot run {self._path}: {_reason(error)}") from error
        arrays = {name: tensor.numpy() for name, tensor in answer.items() if name in _READ}
        if arrays["detection_boxes"].ndim == 2:  # noqa: PLR2004 - Open Images: one, unbatched
            arrays = {name: array[None] for name, array in arrays.items()}
        return [_one(arrays, index) for index in range(len(batch))]

    def _single_input(self, model: ModelSource) -> tuple[str, Any]:
        inputs = self._function.structured_input_signature[1]
        argument, spec = next(iter(inputs.items()), ("", None))
        dtypes = (self._tf.uint8, self._tf.float32)
        shape = spec.shape.as_list() if spec is not None and spec.shape.rank else []
        picture = len(shape) == 4 and shape[3] in {3, None}  # noqa: PLR2004
        if len(inputs) != 1 or spec is None or spec.dtype not in dtypes or not picture:
            raise ModelError(
                f"{model.path} does not take pictures as uint8 or float32 [N, height, width, 3]."
            )
        return argument, spec

    def _check_outputs(self, model: ModelSource) -> None:
        outputs = set(self._function.structured_outputs)
        if not {"detection_boxes", "detection_scores"} <= outputs or not outputs & _CLASSES:
            raise ModelError(
                f"{model.path} is not a detector that offload can read: its outputs are "
                f"{', '.join(sorted(outputs))}."
            )


_CLASSES = {"detection_classes", "detection_class_entities"}
_READ = _CLASSES | {
    "detection_boxes", "detection_scores", "num_detections", "detection_class_labels",
}  # fmt: skip


def _reason(error: Exception) -> str:
    """The line of TensorFlow's account that says why; the others trace its graph."""
    lines = [line for line in str(error).splitlines() if line[:1].strip()]
    return lines[-1] if lines else type(error).__name__


def _one(arrays: Mapping[str, NDArray[Any]], index: int) -> RawDetections:
    """One picture's share of a batched answer."""
    boxes, scores = arrays["detection_boxes"][index], arrays["detection_scores"][index]
    n = int(arrays["num_detections"][index]) if "num_detections" in arrays else len(scores)
    names: tuple[str, ...] = ()
    if "detection_class_entities" in arrays:
        names = tuple(name.decode() for name in arrays["detection_class_entities"][index][:n])
    numbers = arrays.get("detection_classes", arrays.get("detection_class_labels"))
    ids = np.zeros(n, np.int64) if numbers is None else numbers[index][:n].astype(np.int64)
    return RawDetections(boxes[:n], scores[:n], ids, names)
