"""What a `.tflite` file says of its input beyond shape and type: mean and standard deviation.

A model is a FlatBuffer whose `metadata` list may name one buffer TFLITE_METADATA, itself a
FlatBuffer. Field numbers are those of TensorFlow Lite's schema.fbs and metadata_schema.fbs.
"""

import struct
from collections.abc import Sequence
from typing import Any

from flatbuffers import number_types as types
from flatbuffers.table import Table

# Offsets into a table's index of fields: 4 + 2 * number.
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
    try:
        for unit in _units(model):
            if unit.GetSlot(_UNIT_KIND, 0, types.Uint8Flags) == _NORMALISATION:
                at = unit.Indirect(unit.Pos + unit.Offset(_UNIT_OPTIONS))
                options = Table(unit.Bytes, at)
                mean, std = (_vector(options, n, types.Float32Flags) for n in (_MEAN, _STD))
                if len(mean) and len(std) and min(std) > 0:
                    return sum(mean) / len(mean), sum(std) / len(std)
    except (struct.error, IndexError, TypeError, ValueError):
        pass  # damaged metadata says nothing; the interpreter has accepted the model itself
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
