"""`.tflite` files through LiteRT. The only importer of ai_edge_litert; never imports TensorFlow."""

import hashlib
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

import numpy as np
from flatbuffers import number_types as types
from flatbuffers.table import Table
from numpy.typing import NDArray

from offload.detectors import heads
from offload.detectors.heads import POSTPROCESS, ZOO, ZOO_OUTPUTS, Head, Outputs, Taken
from offload.detectors.source import ModelSource, check
from offload.domain.errors import ModelError
from offload.domain.vision import InputSpec, Pixels, RawDetections
from offload.drivers.folders.files import explained

_POSTPROCESS = "TFLite_Detection_PostProcess"
_TO_MINUS_ONE_TO_ONE = Taken(127.5, 127.5)
"""The convention of detectors exported from TensorFlow."""
_GREY = 114


def load(model: ModelSource, count: int, threads: int) -> Sequence["TFLiteDetector"]:
    """`count` interpreters of one file, each with `threads` threads."""
    content = _content(model.path, model.identity.sha256)
    return [TFLiteDetector(model, content, threads) for _ in range(count)]


@lru_cache(maxsize=1)  # for those that are loaded later
def _content(path: str, sha256: str) -> bytes:
    """The bytes that have that SHA-256. A file that is mapped may change under its interpreter, and
    ends the process where it is cut short.
    """
    with explained(f"The model {path} cannot be read", "", ModelError), open(path, "rb") as file:
        content = file.read()
    check(path, sha256, hashlib.sha256(content).hexdigest())
    return content


class TFLiteDetector:
    """One interpreter, with its outputs sorted out once."""

    max_batch = 1

    def __init__(self, model: ModelSource, content: bytes, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            self._interpreter = Interpreter(model_content=content, num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"LiteRT cannot load {model.path}: {error}.") from error
        self._path = model.path
        self._input, self._is_channels_first = self._input_details(model)
        sides = self._input["shape"].tolist()
        height, width = sides[2:] if self._is_channels_first else sides[1:3]
        self._takes = _TO_MINUS_ONE_TO_ONE
        self.labels = model.labels
        pad = None
        if (sorted_out := self._find_outputs()) is not None:
            self._outputs, self._head = sorted_out
        else:
            details = self._interpreter.get_output_details()
            self._outputs = {str(each["name"]): each for each in details}
            grey = np.full((height, width, 3), _GREY, np.uint8)
            self._head = heads.recognised(self._run(grey), height, width, model.path)
            self._takes, pad = self._head.takes, self._head.takes.pad
        if self._input["dtype"] == np.float32 and (said := normalisation(content)):
            self._takes = Taken(*said)
        self.input = InputSpec(height, width, model.input.pad if model.input else pad)

    def detect(self, batch: Sequence[Pixels]) -> list[RawDetections]:
        """Answer for one picture [height, width, 3]."""
        (pixels,) = batch
        return [self._head.read(self._run(pixels), self.input.height, self.input.width)]

    def _run(self, pixels: Pixels) -> Outputs:
        tensor = _as_input(pixels, self._input["dtype"], self._takes)
        if self._is_channels_first:
            tensor = np.ascontiguousarray(tensor.transpose(0, 3, 1, 2))
        self._interpreter.set_tensor(self._input["index"], tensor)
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise ModelError(f"LiteRT cannot run {self._path}: {error}.") from error
        return {name: self._read(output) for name, output in self._outputs.items()}

    def _input_details(self, model: ModelSource) -> tuple[Mapping[str, Any], bool]:
        """The one input, and whether its channels come first."""
        details: list[Mapping[str, Any]] = self._interpreter.get_input_details()
        shape = details[0]["shape"].tolist() if len(details) == 1 else []
        if len(shape) != 4 or shape[0] != 1 or 3 not in shape[1::2] or min(shape) < 1:  # noqa: PLR2004
            raise ModelError(
                f"{model.path} does not take one RGB picture [1, height, width, 3] but {shape}."
            )
        return details[0], shape[3] != 3  # noqa: PLR2004

    def _find_outputs(self) -> tuple[dict[str, Mapping[str, Any]], Head] | None:
        """The outputs by the names of the zoo's convention, and the head that reads them; None if
        the network has no such.

        Their order in the file is arbitrary: they are known by their names in a signature, whose
        ids are as the model means them, or as the outputs of the post-processing operator, which
        are always in this order and count classes from 0 without the background.
        """
        for signature in self._interpreter.get_signature_list():
            outputs = self._interpreter.get_signature_runner(signature).get_output_details()
            if set(ZOO_OUTPUTS) <= set(outputs):
                return {name: outputs[name] for name in ZOO_OUTPUTS}, ZOO
        by_index = {d["index"]: d for d in self._interpreter.get_output_details()}
        for operator in self._interpreter._get_ops_details():
            if operator["op_name"] == _POSTPROCESS and set(operator["outputs"]) <= set(by_index):
                found = (by_index[index] for index in operator["outputs"])
                return dict(zip(ZOO_OUTPUTS, found, strict=True)), POSTPROCESS
        return None

    def _read(self, output: Mapping[str, Any]) -> NDArray[np.float32]:
        values: NDArray[Any] = self._interpreter.get_tensor(output["index"])
        if values.dtype in (np.uint8, np.int8):
            scale, zero = output["quantization"]
            values = (values.astype(np.float32) - zero) * np.float32(scale)
        return values.astype(np.float32, copy=False)


def _as_input(pixels: Pixels, dtype: type, takes: Taken) -> NDArray[Any]:
    """RGB bytes as the tensor the model declares: shifted for int8, normalised for floats."""
    if takes.is_bgr:
        pixels = pixels[..., ::-1]
    if dtype == np.uint8:
        return np.ascontiguousarray(pixels[None])
    if dtype == np.int8:
        return (pixels.astype(np.int16) - 128).astype(np.int8)[None]
    return (pixels[None].astype(np.float32) - np.float32(takes.mean)) / np.float32(takes.std)


# A model is a FlatBuffer whose `metadata` list may name one buffer TFLITE_METADATA, itself a
# FlatBuffer. These are the numbers of fields in TensorFlow Lite's schema.fbs and
# metadata_schema.fbs as offsets into a table's index: 4 + 2 * number.
_MODEL_BUFFERS, _MODEL_METADATA = 12, 16
_BUFFER_DATA = 4
_METADATA_NAME, _METADATA_BUFFER = 4, 6
_SUBGRAPHS, _INPUTS, _PROCESS_UNITS = 10, 8, 12
_UNIT_KIND, _UNIT_OPTIONS = 4, 6
_MEAN, _STD = 4, 6
_NORMALISATION = 1


def normalisation(model: bytes) -> tuple[float, float] | None:
    """(mean, standard deviation) that bytes 0..255 are normalised with; None if it does not say.

    Means per channel are averaged: detectors give the same for all three.
    """
    # Damaged metadata says nothing; the interpreter has accepted the model itself.
    with suppress(struct.error, IndexError, TypeError, ValueError):
        for unit in _units(model):
            if unit.GetSlot(_UNIT_KIND, 0, types.Uint8Flags) == _NORMALISATION:
                options = Table(unit.Bytes, unit.Indirect(unit.Pos + unit.Offset(_UNIT_OPTIONS)))
                mean, std = (_vector(options, n, types.Float32Flags) for n in (_MEAN, _STD))
                if len(mean) and len(std) and min(std) > 0:
                    return sum(mean) / len(mean), sum(std) / len(std)
    return None


def _units(model: bytes) -> Sequence[Table]:
    """The process units of the first input."""
    root = _root(model)
    for entry in _children(root, _MODEL_METADATA):
        if bytes(_vector(entry, _METADATA_NAME, types.Uint8Flags)) == b"TFLITE_METADATA":
            number = entry.GetSlot(_METADATA_BUFFER, 0, types.Uint32Flags)
            buffer = _children(root, _MODEL_BUFFERS)[number]
            metadata = _root(bytes(_vector(buffer, _BUFFER_DATA, types.Uint8Flags)))
            subgraph = _children(metadata, _SUBGRAPHS)[0]
            return _children(_children(subgraph, _INPUTS)[0], _PROCESS_UNITS)
    return []


def _root(data: bytes) -> Table:
    return Table(data, struct.unpack_from("<I", data)[0])


def _children(table: Table, field: int) -> Sequence[Table]:
    if not (offset := table.Offset(field)):
        return []
    start, count = table.Vector(offset), table.VectorLen(offset)
    return [Table(table.Bytes, table.Indirect(start + 4 * number)) for number in range(count)]


def _vector(table: Table, field: int, kind: Any) -> Any:
    """A vector of numbers of that kind; empty where it is not set."""
    offset = table.Offset(field)
    return table.GetVectorAsNumpy(kind, offset).tolist() if offset else []
