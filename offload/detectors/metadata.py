"""What a `.tflite` file says of its input beyond shape and type: mean and standard deviation.

A model is a FlatBuffer whose `metadata` list may name one buffer TFLITE_METADATA, itself a
FlatBuffer. Field numbers are those of TensorFlow Lite's schema.fbs and metadata_schema.fbs.
"""

import struct
from collections.abc import Sequence

from flatbuffers.table import Table

_MODEL_BUFFERS, _MODEL_METADATA = 4, 6
_BUFFER_DATA = 0
_METADATA_NAME, _METADATA_BUFFER = 0, 1
_SUBGRAPHS, _INPUTS, _PROCESS_UNITS = 3, 2, 4
_UNIT_KIND, _UNIT_OPTIONS = 0, 1
_NORMALISATION = 1
_MEAN, _STD = 0, 1


def normalisation(model: bytes) -> tuple[float, float] | None:
    """(mean, standard deviation) that bytes 0..255 are normalised with; None if it does not say.

    Means per channel are averaged: detectors give the same for all three.
    """
    try:
        for unit in _units(model):
            if _byte(unit, _UNIT_KIND) == _NORMALISATION:
                options = _child(unit, _UNIT_OPTIONS)
                mean, std = _floats(options, _MEAN), _floats(options, _STD)
                if mean and std and min(std) > 0:
                    return sum(mean) / len(mean), sum(std) / len(std)
    except (struct.error, IndexError, TypeError):
        pass  # damaged metadata says nothing; the interpreter has accepted the model itself
    return None


def _units(model: bytes) -> Sequence[Table]:
    """The process units of the first input."""
    root = _root(model)
    for entry in _children(root, _MODEL_METADATA):
        if _bytes(entry, _METADATA_NAME) == b"TFLITE_METADATA":
            buffer = _children(root, _MODEL_BUFFERS)[_uint32(entry, _METADATA_BUFFER)]
            subgraph = _children(_root(_bytes(buffer, _BUFFER_DATA)), _SUBGRAPHS)[0]
            return _children(_children(subgraph, _INPUTS)[0], _PROCESS_UNITS)
    return []


def _root(data: bytes) -> Table:
    return Table(data, struct.unpack_from("<I", data)[0])


def _at(table: Table, field: int) -> int:
    """The field's position relative to its table; 0 where it is not set."""
    return int(table.Offset(4 + 2 * field))


def _child(table: Table, field: int) -> Table:
    return Table(table.Bytes, table.Indirect(table.Pos + _at(table, field)))


def _children(table: Table, field: int) -> Sequence[Table]:
    offset = _at(table, field)
    if not offset:
        return []
    start = table.Vector(offset)
    return [
        Table(table.Bytes, table.Indirect(start + 4 * number))
        for number in range(table.VectorLen(offset))
    ]


def _bytes(table: Table, field: int) -> bytes:
    offset = _at(table, field)
    if not offset:
        return b""
    start = table.Vector(offset)
    return bytes(table.Bytes[start : start + table.VectorLen(offset)])


def _floats(table: Table, field: int) -> Sequence[float]:
    offset = _at(table, field)
    if not offset:
        return ()
    return struct.unpack_from(f"<{table.VectorLen(offset)}f", table.Bytes, table.Vector(offset))


def _byte(table: Table, field: int) -> int:
    offset = _at(table, field)
    return int(table.Bytes[table.Pos + offset]) if offset else 0


def _uint32(table: Table, field: int) -> int:
    offset = _at(table, field)
    return int(struct.unpack_from("<I", table.Bytes, table.Pos + offset)[0]) if offset else 0
