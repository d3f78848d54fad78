"""`.onnx` files through ONNX Runtime. The only importer of onnxruntime."""

import ast
import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offload.detectors import heads
from offload.detectors.heads import Outputs, Taken
from offload.detectors.source import ModelSource, check
from offload.domain.errors import ModelError
from offload.domain.vision import InputSpec, Pixels, RawDetections
from offload.drivers.folders.files import explained

_TYPES = {
    "tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8,
}  # fmt: skip
_USUAL_SIDE_PX = 640
_GREY = 114
_RANK, _CHANNELS = 4, 3


def load(model: ModelSource, count: int, threads: int) -> Sequence["OnnxDetector"]:
    """`count` sessions of one file, each with `threads` threads; one for all where that is one, as
    then each call runs in its caller's thread.
    """
    wrong = f"The model {model.path} cannot be read"
    with explained(wrong, "", ModelError), open(model.path, "rb") as file:
        content = file.read()
    check(model.path, model.identity.sha256, hashlib.sha256(content).hexdigest())
    if threads == 1:
        return [OnnxDetector(model, content, 1)] * count
    return [OnnxDetector(model, content, threads) for _ in range(count)]


class OnnxDetector:
    """One session. What it takes and answers with is found out once, with a grey picture."""

    max_batch = 1

    def __init__(self, model: ModelSource, content: bytes, threads: int) -> None:
        self._path = model.path
        self._session = _session(model.path, content, threads)
        self._name, self._dtype, self._is_channels_first, shape = self._input()
        said = self._session.get_modelmeta().custom_metadata_map
        height, width = _size(shape, said)
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._takes = Taken(std=1.0 if self._dtype == np.uint8 else 255.0)
        grey = np.full((height, width, _CHANNELS), _GREY, np.uint8)
        self._head = heads.recognised(self._run(grey), height, width, model.path)
        self._takes = self._head.takes
        pad = model.input.pad if model.input else self._takes.pad
        self.input = InputSpec(height, width, pad)
        self.labels = model.labels or _names(said)

    def detect(self, batch: Sequence[Pixels]) -> list[RawDetections]:
        """Answer for one picture [height, width, 3]."""
        (pixels,) = batch
        return [self._head.read(self._run(pixels), self.input.height, self.input.width)]

    def _run(self, pixels: Pixels) -> Outputs:
        from onnxruntime.capi import onnxruntime_pybind11_state as errors

        tensor = _tensor(pixels, self._takes, self._dtype)
        tensor = tensor.transpose(2, 0, 1) if self._is_channels_first else tensor
        fed = {self._name: np.ascontiguousarray(tensor[None])}
        try:
            answers = self._session.run(self._outputs, fed)
        except (errors.Fail, errors.RuntimeException, errors.InvalidArgument) as error:
            why = str(error).strip().splitlines()[0]
            raise ModelError(f"ONNX Runtime cannot run {self._path}: {why}") from error
        return {
            name: np.asarray(values, np.float32)
            for name, values in zip(self._outputs, answers, strict=True)
        }

    def _input(self) -> tuple[str, type, bool, list[Any]]:
        """Name, type, whether channels come first, and [height, width] of the one input."""
        inputs = self._session.get_inputs()
        shape = list(inputs[0].shape) if len(inputs) == 1 else []
        dtype = _TYPES.get(inputs[0].type) if inputs else None
        if len(shape) == _RANK and dtype is not None and _CHANNELS in {shape[1], shape[3]}:
            first = shape[1] == _CHANNELS
            return inputs[0].name, dtype, first, shape[2:] if first else shape[1:3]
        seen = ", ".join(f"{each.name} {each.type} {each.shape}" for each in inputs)
        raise ModelError(f"{self._path} does not take one RGB picture but {seen}.")


def _session(path: str, content: bytes, threads: int) -> Any:
    try:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as errors
    except ModuleNotFoundError as error:
        raise ModelError(
            "ONNX models need onnxruntime, which is not installed here.",
            hint="To install it: pip install 'offload[onnx]'",
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    wrong = (
        errors.Fail, errors.InvalidGraph, errors.InvalidProtobuf, errors.InvalidArgument,
        errors.NotImplemented, errors.RuntimeException, errors.NoSuchFile,
    )  # fmt: skip
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except wrong as error:
        why = str(error).strip().splitlines()[0]
        raise ModelError(f"ONNX Runtime cannot load {path}: {why}") from error


def _tensor(pixels: Pixels, takes: Taken, dtype: type) -> NDArray[Any]:
    if takes.is_bgr:
        pixels = pixels[..., ::-1]
    if dtype == np.uint8:
        return pixels
    return ((pixels.astype(np.float32) - np.float32(takes.mean)) / np.float32(takes.std)).astype(
        dtype, copy=False
    )


def _size(shape: Sequence[Any], said: Mapping[str, str]) -> tuple[int, int]:
    """Height and width in pixels: the file's; where it leaves them open, what its maker trained it
    with (`imgsz`, as ultralytics writes it), else the usual side.
    """
    trained: Any = None
    with suppress(ValueError, SyntaxError):
        trained = ast.literal_eval(said.get("imgsz", ""))
    known = trained if isinstance(trained, list) else [_USUAL_SIDE_PX] * 2
    height, width = (
        side if isinstance(side, int) and side > 0 else int(usual)
        for side, usual in zip(shape, known, strict=False)
    )
    return height, width


def _names(said: Mapping[str, str]) -> Mapping[int, str]:
    """Names of classes as ultralytics writes them into the file: `{0: 'person', …}`."""
    with suppress(ValueError, SyntaxError, AttributeError, TypeError):
        names = ast.literal_eval(said.get("names", "{}"))
        return {int(number) + 1: str(name) for number, name in names.items()}
    return {}
