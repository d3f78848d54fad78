from pathlib import Path

import flatbuffers
import pytest
from ai_edge_litert import schema_py_generated as schema

from offload.detectors.tflite import normalisation


def tensor_metadata(mean: list[float], std: list[float]) -> bytes:
    """A TFLITE_METADATA buffer with one input that has one NormalizationOptions."""
    builder = flatbuffers.Builder()

    def floats(values: list[float]) -> int:
        builder.StartVector(4, len(values), 4)
        for value in reversed(values):
            builder.PrependFloat32(value)
        return int(builder.EndVector())

    def table(fields: dict[int, int], kind: int = 0) -> int:
        builder.StartObject(8)
        for number, offset in fields.items():
            builder.PrependUOffsetTRelativeSlot(number, offset, 0)
        builder.PrependUint8Slot(0, kind, 0)
        return int(builder.EndObject())

    def list_of(offset: int) -> int:
        builder.StartVector(4, 1, 4)
        builder.PrependUOffsetTRelative(offset)
        return int(builder.EndVector())

    options = table({0: floats(mean), 1: floats(std)})
    unit = table({1: options}, kind=1)
    tensor = table({4: list_of(unit)})
    subgraph = table({2: list_of(tensor)})
    builder.Finish(table({3: list_of(subgraph)}))
    return bytes(builder.Output())


def model_with(metadata: bytes) -> bytes:
    model = schema.ModelT()
    entry = schema.MetadataT()
    entry.name, entry.buffer = b"TFLITE_METADATA", 1
    filled = schema.BufferT()
    filled.data = list(metadata)
    model.buffers, model.metadata = [schema.BufferT(), filled], [entry]
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_mean_and_deviation_are_read_from_the_files_metadata() -> None:
    assert normalisation(model_with(tensor_metadata([127.5] * 3, [127.5] * 3))) == (127.5, 127.5)
    assert normalisation(model_with(tensor_metadata([0.0], [255.0]))) == (0.0, 255.0)


def test_a_model_without_metadata_says_nothing(assets: Path) -> None:
    for file in assets.rglob("*.tflite"):
        assert normalisation(file.read_bytes()) is None


@pytest.mark.parametrize("cut", [0, 3, 40, 90])
def test_damaged_metadata_says_nothing(cut: int) -> None:
    assert normalisation(model_with(tensor_metadata([1.0], [2.0])[:cut])) is None


def test_a_deviation_of_zero_is_not_believed() -> None:
    assert normalisation(model_with(tensor_metadata([1.0], [0.0]))) is None
