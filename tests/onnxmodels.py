"""Small ONNX networks of every head, with a known right answer: one object of class 3 at `BOX`,
whose score is the mean of the first channel as the network was given it, over `full`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE_PX = 64
CLASSES = 5
CLASS = 3
BOX = (0.25, 0.5, 0.5, 1.0)
"""ymin, xmin, ymax, xmax."""

Floats = NDArray[np.float32]
_STRIDES = (8, 16, 32)
_CELL = 20
"""The one that answers: in the finest grid, row 2, column 4."""


def network(
    path: Path,
    outputs: Mapping[str, tuple[Floats, Floats]],
    *,
    full: float = 1.0,
    shape: Sequence[int | str] = (1, 3, SIDE_PX, SIDE_PX),
    kind: str = "FLOAT",
    said: Mapping[str, str] | None = None,
) -> Path:
    """A network that takes `shape` and answers, for each output, the first array plus the second
    times the mean of the first channel over `full`.
    """
    from onnx import TensorProto, checker, helper, numpy_helper, save

    nodes, constants, infos = _mean(shape, full), [], []
    for name, (fixed, by_mean) in outputs.items():
        for what, values in (("fixed", fixed), ("share", by_mean)):
            constants.append(numpy_helper.from_array(values.astype(np.float32), f"{name} {what}"))
        nodes.append(helper.make_node("Mul", [f"{name} share", "mean"], [f"{name} by mean"]))
        nodes.append(helper.make_node("Add", [f"{name} fixed", f"{name} by mean"], [name]))
        infos.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, fixed.shape))
    constants += [
        numpy_helper.from_array(np.array([0], np.int64), "start"),
        numpy_helper.from_array(np.array([1], np.int64), "end"),
        numpy_helper.from_array(np.array([1 if shape[1] == 3 else 3], np.int64), "axis"),
        numpy_helper.from_array(np.array(full, np.float32), "full"),
    ]
    picture = helper.make_tensor_value_info("images", getattr(TensorProto, kind), shape)
    graph = helper.make_graph(nodes, "answers", [picture], infos, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    for key, value in (said or {}).items():
        model.metadata_props.add(key=key, value=value)
    checker.check_model(model)
    save(model, str(path))
    return path


def _mean(_shape: Sequence[int | str], _full: float) -> list[Any]:
    from onnx import TensorProto, helper

    return [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Slice", ["floats", "start", "end", "axis"], ["first"]),
        helper.make_node("ReduceMean", ["first"], ["total"], keepdims=0),
        helper.make_node("Div", ["total", "full"], ["mean"]),
    ]


def _cells() -> tuple[Floats, Floats]:
    """Centres [N,2] in cells and strides [N,1] of the three grids."""
    cells, strides = [], []
    for stride in _STRIDES:
        y, x = np.mgrid[: SIDE_PX // stride, : SIDE_PX // stride]
        cells.append(np.stack([x, y], -1).reshape(-1, 2))
        strides.append(np.full((x.size, 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(strides).astype(np.float32)


def _centred() -> Floats:
    ymin, xmin, ymax, xmax = BOX
    return np.array([(xmin + xmax) / 2, (ymin + ymax) / 2, xmax - xmin, ymax - ymin], np.float32)


def _rows(per_cell: int, scale: float = SIDE_PX) -> tuple[Floats, Floats]:
    """(x, y, w, h, objectness, scores…) of each cell, decoded."""
    cells, strides = _cells()
    rows = np.zeros((len(cells), 5 + CLASSES), np.float32)
    rows[:, :2] = (cells + 0.5) * strides / SIDE_PX * scale
    rows = np.tile(rows, (per_cell, 1))
    rows[_CELL, :4], rows[_CELL, 4] = _centred() * scale, 1
    share = np.zeros_like(rows)
    share[_CELL, 4 + CLASS] = 1
    return rows[None], share[None]


def yolox(path: Path, **options: Any) -> Path:
    """Raw grids."""
    cells, strides = _cells()
    rows = np.zeros((1, len(cells), 5 + CLASSES), np.float32)
    centred = _centred() * SIDE_PX
    rows[0, _CELL, :2] = centred[:2] / strides[_CELL] - cells[_CELL]
    rows[0, _CELL, 2:4] = np.log(centred[2:] / strides[_CELL])
    rows[0, _CELL, 4] = 1
    share = np.zeros_like(rows)
    share[0, _CELL, 4 + CLASS] = 1
    return network(path, {"output": (rows, share)}, full=255, **options)


def yolox_decoded(path: Path, **options: Any) -> Path:
    """The same in pixels."""
    return network(path, {"output": _rows(1)}, full=255, **options)


def yolov5(path: Path, **options: Any) -> Path:
    """Three boxes a cell."""
    return network(path, {"output": _rows(3)}, **options)


def columns(path: Path, scale: float = SIDE_PX, **options: Any) -> Path:
    """YOLOv8: a column for each cell, without objectness."""
    rows, share = _rows(1, scale)
    kept = [0, 1, 2, 3, *range(5, 5 + CLASSES)]
    both = rows[..., kept].transpose(0, 2, 1), share[..., kept].transpose(0, 2, 1)
    return network(path, {"output0": both}, **options)


def shares(path: Path, **options: Any) -> Path:
    """The same with boxes in 0..1."""
    return columns(path, 1, **options)


def end_to_end(path: Path, **options: Any) -> Path:
    """YOLOv10: corners, score and class of the best."""
    ymin, xmin, ymax, xmax = BOX
    rows, share = np.zeros((1, 30, 6), np.float32), np.zeros((1, 30, 6), np.float32)
    rows[0, 0] = *(np.array([xmin, ymin, xmax, ymax]) * SIDE_PX), 0, CLASS - 1
    share[0, 0, 4] = 1
    return network(path, {"output0": (rows, share)}, **options)


def detr(path: Path, **options: Any) -> Path:
    """RT-DETR, D-FINE: logits; that of the object is 0, or the mean where it is above."""
    queries = 20
    logits = np.full((1, queries, CLASSES), -20, np.float32)
    boxes = np.full((1, queries, 4), 0.5, np.float32)
    logits[0, 7, CLASS - 1], boxes[0, 7] = 0, _centred()
    share = np.zeros_like(logits)
    share[0, 7, CLASS - 1] = 1
    outputs = {"logits": (logits, share), "pred_boxes": (boxes, np.zeros_like(boxes))}
    return network(path, outputs, **options)


def torchvision(path: Path, **options: Any) -> Path:
    """Corners in pixels, labels that count from 1, scores."""
    ymin, xmin, ymax, xmax = BOX
    corners = np.array([[xmin, ymin, xmax, ymax]], np.float32) * SIDE_PX
    one, none = np.ones(1, np.float32), np.zeros(1, np.float32)
    outputs = {
        "boxes": (corners, np.zeros_like(corners)),
        "labels": (one * CLASS, none),
        "scores": (none, one),
    }
    return network(path, outputs, **options)


def zoo(path: Path, **options: Any) -> Path:
    """TensorFlow's zoo, converted: bytes in, channels last."""
    one, none = np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32)
    outputs = {
        "detection_boxes": (np.array([[BOX]], np.float32), np.zeros((1, 1, 4), np.float32)),
        "detection_classes": (one * CLASS, none),
        "detection_scores": (none, one),
        "num_detections": (one[0], none[0]),
    }
    usual: dict[str, Any] = {"full": 255, "shape": (1, SIDE_PX, SIDE_PX, 3), "kind": "UINT8"}
    return network(path, outputs, **usual | options)


def nothing(path: Path) -> Path:
    """A classifier."""
    return network(path, {"probabilities": (np.ones((1, 10), np.float32),) * 2})
