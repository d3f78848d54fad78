"""What networks of every family answer becomes the same boxes, scores and ids."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from offload import detectors
from offload.detectors import heads
from offload.detectors.source import ModelSource
from offload.domain.errors import ModelError
from offload.domain.ports import Detector, ModelIdentity
from offload.domain.vision import InputSpec, Selection, select
from offload.drivers.folders.files import sha256_of
from tests import onnxmodels as onnx

Build = Callable[..., Path]
FAMILIES: dict[str, Build] = {
    "YOLOX": onnx.yolox,
    "YOLOX, decoded": onnx.yolox_decoded,
    "YOLOv5": onnx.yolov5,
    "YOLOv8": onnx.columns,
    "YOLOv8 in shares": onnx.shares,
    "YOLO, end to end": onnx.end_to_end,
    "torchvision": onnx.torchvision,
    "zoo": onnx.zoo,
}
IN_BGR = {"YOLOX", "YOLOX, decoded"}
SHAPES: dict[str, dict[str, tuple[int, ...]]] = {
    "YOLOX": {"o": (1, 84, 10)},
    "YOLOX, decoded": {"o": (1, 84, 10)},
    "YOLOv5 and v7": {"o": (1, 252, 10)},
    "YOLOv8 and later": {"o": (1, 9, 84)},
    "YOLO, end to end": {"o": (1, 30, 6)},
    "DETR": {"logits": (1, 20, 5), "pred_boxes": (1, 20, 4)},
    "torchvision": {"boxes": (3, 4), "labels": (3,), "scores": (3,)},
    "TensorFlow zoo": {
        "detection_boxes": (1, 3, 4), "detection_classes": (1, 3),
        "detection_scores": (1, 3), "num_detections": (1,),
    },
}  # fmt: skip
"""What a network with an input of 64 x 64 answers."""


def loaded(path: Path, **known: Any) -> Detector:
    identity = ModelIdentity(path.stem, "onnx", sha256_of(str(path)))
    (detector,) = detectors.load(ModelSource(identity, str(path), {}, **known), 1, 1)
    return detector


def coloured(detector: Detector, red: int, blue: int) -> Any:
    pixels = np.zeros((detector.input.height, detector.input.width, 3), np.uint8)
    pixels[..., 0], pixels[..., 2] = red, blue
    return pixels


@pytest.mark.parametrize("family", FAMILIES)
def test_the_object_is_found_where_it_is_with_its_class_and_score(
    tmp_path: Path, family: str
) -> None:
    detector = loaded(FAMILIES[family](tmp_path / "model.onnx"))
    # The score is the first channel's mean: red of RGB, blue of BGR.
    red, blue = (51, 204) if family in IN_BGR else (204, 51)
    (answer,) = detector.detect([coloured(detector, red, blue)])
    (found,) = select(answer, {onnx.CLASS: "bird"}, Selection(0.5))
    assert found.label == "bird"
    assert found.box == pytest.approx(onnx.BOX, abs=1e-4)
    assert found.score == pytest.approx(0.8, abs=1e-4)


def test_logits_become_scores(tmp_path: Path) -> None:
    detector = loaded(onnx.detr(tmp_path / "model.onnx"))
    (answer,) = detector.detect([coloured(detector, 204, 0)])
    (found,) = select(answer, {}, Selection(0.5))
    assert found.class_id == onnx.CLASS
    assert found.box == pytest.approx(onnx.BOX, abs=1e-4)
    assert found.score == pytest.approx(1 / (1 + np.exp(-0.8)), abs=1e-4)


def test_half_precision_and_bytes_are_given_as_the_file_declares_them(tmp_path: Path) -> None:
    half = loaded(onnx.columns(tmp_path / "half.onnx", kind="FLOAT16"))
    (answer,) = half.detect([coloured(half, 204, 0)])
    assert answer.scores[0] == pytest.approx(0.8, abs=1e-3)


def test_what_the_maker_wrote_into_the_file_names_classes_and_the_open_size(tmp_path: Path) -> None:
    said = {"names": "{0: 'ant', 1: 'bee', 2: 'bird'}", "imgsz": "[64, 64]"}
    shape = (1, 3, "height", "width")
    detector = loaded(onnx.columns(tmp_path / "model.onnx", said=said, shape=shape))
    assert detector.labels == {1: "ant", 2: "bee", 3: "bird"}
    assert detector.input == InputSpec(64, 64, 114)


@pytest.mark.parametrize("said", ["[", "{0: ", "__import__('os')", "{'a': 'b'}", "[1, 2]"])
def test_damaged_names_are_none(tmp_path: Path, said: str) -> None:
    assert loaded(onnx.columns(tmp_path / "model.onnx", said={"names": said})).labels == {}


def test_a_network_of_no_known_head_is_refused_with_what_was_seen(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"probabilities \[1, 10\]") as caught:
        loaded(onnx.nothing(tmp_path / "model.onnx"))
    assert "YOLOX" in caught.value.hint


def test_a_file_that_is_no_network_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    for content in (b"", b"<html>", onnx.columns(tmp_path / "a.onnx").read_bytes()[:500]):
        path.write_bytes(content)
        with pytest.raises(ModelError, match=r"model\.onnx"):
            loaded(path)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1e38])
@pytest.mark.parametrize("head", heads.HEADS, ids=lambda head: head.name)
def test_numbers_that_are_none_are_left_out(head: heads.Head, wrong: float) -> None:
    outputs = {name: np.full(shape, wrong, np.float32) for name, shape in SHAPES[head.name].items()}
    found = select(head.read(outputs, 64, 64), {}, Selection(0.0))
    for each in found:
        assert np.isfinite([*each.box, each.score]).all()
        assert each.box.ymin <= each.box.ymax
        assert each.box.xmin <= each.box.xmax
