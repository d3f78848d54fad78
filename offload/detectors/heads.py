"""What networks answer with: one table of the conventions of their last layer.

A head is recognised by what the network answers for a plain grey picture: names and shapes of its
outputs, and the range of its boxes. Where none fits, or several do, nothing is guessed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offload.domain.errors import ModelError
from offload.domain.vision import RawDetections

Floats = NDArray[np.float32]
Outputs = Mapping[str, Floats]
"""What a network answers for one picture, by the names of its outputs."""

ZOO_OUTPUTS = "detection_boxes", "detection_classes", "detection_scores", "num_detections"
_STRIDES = (8, 16, 32)
_BOX = 4
_END_TO_END = 6
_MOST = 1000
"""Candidates of one picture that go on to non-maximum suppression: the best by score."""
_MOST_CLASSES = 1_000_000
_RELATIVE = 2.0
"""Boxes that reach no further than this are shares of the picture: in pixels they would be dots."""


@dataclass(frozen=True, slots=True)
class Taken:
    """How pictures become the tensor of a network: (byte - `mean`) / `std`, RGB unless `is_bgr`,
    stretched unless there is a `pad` (`domain.vision.InputSpec`).
    """

    mean: float = 0.0
    std: float = 255.0
    is_bgr: bool = False
    pad: int | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """A convention. `fits` says whether outputs for an input of [height, width] follow it, `reads`
    makes boxes, scores and class ids of them, which count from 1; `takes` is how networks of its
    family are given pictures unless the file says otherwise.
    """

    name: str
    fits: Callable[[Outputs, int, int], bool]
    reads: Callable[[Outputs, int, int], RawDetections]
    takes: Taken

    def read(self, outputs: Outputs, height: int, width: int) -> RawDetections:
        """What was found. A damaged network answers with anything: what is no number is left out by
        `domain.vision.select`.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            return self.reads(outputs, height, width)


def recognised(outputs: Outputs, height: int, width: int, path: str) -> Head:
    """The head that answered `outputs` for a grey picture of [height, width].

    Raises:
        ModelError: none does, or several.
    """
    found = [head for head in HEADS if head.fits(outputs, height, width)]
    if len(found) == 1:
        return found[0]
    seen = ", ".join(f"{name} {list(values.shape)}" for name, values in outputs.items())
    raise ModelError(
        f"{path} is not a detector that offload can read: its outputs ({seen}) are of "
        + (" or ".join(head.name for head in found) or "no convention that it knows")
        + ".",
        hint="What it can read: " + ", ".join(head.name for head in HEADS) + ".",
    )


def anchors(height: int, width: int) -> int:
    """How many cells the three grids of the YOLO family have: a box each."""
    return sum((height // stride) * (width // stride) for stride in _STRIDES)


def _only(outputs: Outputs) -> Floats:
    """The one output, of one picture; empty if there are several or it is of another kind."""
    values = next(iter(outputs.values()))
    if len(outputs) != 1 or values.ndim != 3 or values.shape[0] != 1:  # noqa: PLR2004
        return np.empty((0, 0), np.float32)
    rows: Floats = values[0]
    return rows


def _is_yolo(per_cell: int, *, raw: bool | None) -> Callable[[Outputs, int, int], bool]:
    """Rows of (x, y, w, h, objectness, scores…), so many for each cell; `raw` says whether centres
    are offsets in their cell, None that they cannot be.
    """

    def fits(outputs: Outputs, height: int, width: int) -> bool:
        rows = _only(outputs)
        if rows.shape[0] != per_cell * anchors(height, width) or rows.shape[1] < _BOX + 2:
            return False
        # Centres that are decoded are all over the picture.
        spread = np.ptp(rows[:, 0]) > width / 2 or _is_relative(rows[:, :2])
        return raw is None or raw != bool(spread)

    return fits


def _is_relative(centres: Floats) -> bool:
    """Whether centres are all over 0..1 and nowhere else."""
    return bool(centres.min() >= 0 and centres.max() <= 1 and np.ptp(centres) > 0.9)  # noqa: PLR2004


def _is_columns(outputs: Outputs, height: int, width: int) -> bool:
    """A column of (x, y, w, h, scores…) for each cell."""
    columns = _only(outputs)
    return bool(columns.shape[1] == anchors(height, width) and columns.shape[0] > _BOX)


def _is_end_to_end(outputs: Outputs, height: int, width: int) -> bool:
    """Rows of (xmin, ymin, xmax, ymax, score, class), the best first."""
    rows = _only(outputs)
    cells = anchors(height, width)
    return bool(rows.shape[1] == _END_TO_END and rows.shape[0] not in {0, cells, 3 * cells})


def _is_queries(outputs: Outputs, _height: int, _width: int) -> bool:
    """A box (x, y, w, h in 0..1) and logits for each of some queries."""
    return {"logits", "pred_boxes"} <= set(outputs)


def _is_torchvision(outputs: Outputs, _height: int, _width: int) -> bool:
    return {"boxes", "labels", "scores"} == set(outputs)


def _is_zoo(outputs: Outputs, _height: int, _width: int) -> bool:
    return set(ZOO_OUTPUTS) <= set(outputs)


def _read_yolo(outputs: Outputs, height: int, width: int) -> RawDetections:
    rows = _only(outputs)
    return _best(rows[:, :_BOX], rows[:, 5:] * rows[:, 4:5], height, width)


def _read_yolox(outputs: Outputs, height: int, width: int) -> RawDetections:
    """Raw grids: a centre is (cell + offset) * stride, a side e^value * stride.

    Source: Ge et al., YOLOX, https://arxiv.org/abs/2107.08430, which takes YOLOv3's.
    """
    rows = _only(outputs)
    cells, strides = [], []
    for stride in _STRIDES:
        y, x = np.mgrid[: height // stride, : width // stride]
        cells.append(np.stack([x, y], axis=-1).reshape(-1, 2))
        strides.append(np.full((x.size, 1), stride))
    cell, stride_px = np.concatenate(cells), np.concatenate(strides).astype(np.float32)
    boxes = np.hstack([(rows[:, :2] + cell) * stride_px, np.exp(rows[:, 2:4]) * stride_px])
    return _best(boxes.astype(np.float32), rows[:, 5:] * rows[:, 4:5], height, width)


def _read_columns(outputs: Outputs, height: int, width: int) -> RawDetections:
    columns = _only(outputs)
    return _best(columns[:_BOX].T, columns[_BOX:].T, height, width)


def _read_end_to_end(outputs: Outputs, height: int, width: int) -> RawDetections:
    rows = _only(outputs)
    corners = _shares(rows[:, :_BOX], height, width)
    return RawDetections(corners[:, [1, 0, 3, 2]], rows[:, 4], _ids(rows[:, 5], 1))


def _read_queries(outputs: Outputs, _height: int, _width: int) -> RawDetections:
    logits, boxes = outputs["logits"][0], outputs["pred_boxes"][0]
    return _best(boxes, 1 / (1 + np.exp(-logits)), 1, 1)


def _read_torchvision(outputs: Outputs, height: int, width: int) -> RawDetections:
    corners = _shares(outputs["boxes"], height, width)
    ids = _ids(outputs["labels"], 0)
    return RawDetections(corners[:, [1, 0, 3, 2]], outputs["scores"], ids)


def _zoo_from(first_id: int) -> Callable[[Outputs, int, int], RawDetections]:
    """Boxes, classes that count from there, and scores, of which the first so many count."""

    def read(outputs: Outputs, _height: int, _width: int) -> RawDetections:
        boxes, classes, scores, count = (outputs[name] for name in ZOO_OUTPUTS)
        n = int(np.clip(np.nan_to_num(count.ravel()[0]), 0, scores.shape[1]))
        return RawDetections(boxes[0, :n], scores[0, :n], _ids(classes[0, :n], first_id))

    return read


def _best(centred: Floats, scores: Floats, height: int, width: int) -> RawDetections:
    """Boxes [N,4] (x, y, w, h) with the best of their scores [N,C] each, the best of all of them
    only.
    """
    ids = scores.argmax(axis=1)
    best = scores[np.arange(len(ids)), ids]
    kept = np.argsort(-best, kind="stable")[:_MOST]
    centred = _shares(centred, height, width)[kept]
    centre, half = centred[:, 1::-1], centred[:, :1:-1] / 2
    boxes: Floats = np.hstack([centre - half, centre + half]).astype(np.float32, copy=False)
    return RawDetections(boxes, best[kept], ids[kept] + 1)


def _ids(classes: Floats, first_id: int) -> NDArray[np.int64]:
    """Class ids of numbers that count from 0, as ids that count from `first_id`."""
    return np.rint(np.clip(np.nan_to_num(classes), 0, _MOST_CLASSES)).astype(np.int64) + first_id


def _shares(boxes: Floats, height: int, width: int) -> Floats:
    """Pixels as shares of the input, unless they are shares already."""
    if not (boxes > _RELATIVE).any():
        return boxes
    sides = np.array([width, height, width, height], np.float32)
    return np.divide(boxes, sides, dtype=np.float32)


ZOO = Head("TensorFlow zoo", _is_zoo, _zoo_from(0), Taken(std=1.0))
POSTPROCESS = Head("TFLite_Detection_PostProcess", _is_zoo, _zoo_from(1), Taken(127.5, 127.5))
"""The same four, whose classes count from 0: an operator, so nothing else tells it."""
_ULTRALYTICS = Taken(pad=114)
HEADS = (
    Head("YOLOX", _is_yolo(1, raw=True), _read_yolox, Taken(0.0, 1.0, is_bgr=True, pad=114)),
    Head("YOLOX, decoded", _is_yolo(1, raw=False), _read_yolo, Taken(0, 1, is_bgr=True, pad=114)),
    Head("YOLOv5 and v7", _is_yolo(3, raw=None), _read_yolo, _ULTRALYTICS),
    Head("YOLOv8 and later", _is_columns, _read_columns, _ULTRALYTICS),
    Head("YOLO, end to end", _is_end_to_end, _read_end_to_end, _ULTRALYTICS),
    Head("DETR", _is_queries, _read_queries, Taken()),
    Head("torchvision", _is_torchvision, _read_torchvision, Taken()),
    ZOO,
)
