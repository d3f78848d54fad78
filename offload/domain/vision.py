"""Images in, detections out: the types every place and every runtime shares."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from offload.domain.errors import UsageError
from offload.domain.timing import Durations

Pixels = NDArray[np.uint8]
"""RGB, shape [height, width, 3]."""


@dataclass(frozen=True, slots=True)
class Image:
    """One picture as it would be sent: its relative path, which is its identity, and its bytes."""

    path: str
    data: bytes


class Box(NamedTuple):
    """Edges as shares of the upright picture's height and width, 0..1."""

    ymin: float
    xmin: float
    ymax: float
    xmax: float


class Detection(NamedTuple):
    """One object: what it is, how sure the model is (0..1), where."""

    label: str
    class_id: int
    score: float
    box: Box


@dataclass(frozen=True, slots=True)
class Detections:
    """One image's objects, best first, its upright size in pixels and where the seconds went."""

    found: tuple[Detection, ...]
    width: int
    height: int
    durations: Durations


@dataclass(frozen=True, slots=True)
class InputSpec:
    """The pixels a detector takes: [height, width, 3].

    `pad` None stretches the picture over the whole input; a grey level 0..255 keeps the aspect
    ratio, puts the picture in the top left corner and fills the rest with that grey.
    """

    height: int
    width: int
    pad: int | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture in a detector's input shape.

    `covered` is the share of the input's height and width that the picture fills.
    """

    pixels: Pixels
    width: int
    height: int
    covered: tuple[float, float] = (1.0, 1.0)


@dataclass(frozen=True, slots=True)
class RawDetections:
    """A detector's whole answer for one picture: boxes [N,4] (ymin, xmin, ymax, xmax), scores [N],
    class ids [N]; `names` [N] where the model itself names what it found.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """Which detections to keep.

    `classes` holds lower-case names and ids as text; empty keeps all. `max_iou` below 1 drops a box
    that overlaps a better one of its class by more (greedy non-maximum suppression, on top of the
    model's own).
    """

    min_score: float = 0.25
    classes: frozenset[str] = field(default_factory=frozenset)
    max_detections: int = 300
    max_iou: float = 0.7


def select(
    raw: RawDetections,
    labels: Mapping[int, str],
    selection: Selection,
    covered: tuple[float, float] = (1.0, 1.0),
) -> tuple[Detection, ...]:
    """Threshold, class filter, suppression and limit, best score first.

    Boxes are rescaled from the detector's input to the picture and clipped to it.
    """
    order = np.flatnonzero(raw.scores >= selection.min_score)
    order = order[np.argsort(-raw.scores[order], kind="stable")]
    scale = np.array([covered[0], covered[1], covered[0], covered[1]], np.float32)
    boxes = np.clip(raw.boxes[order] / scale, 0.0, 1.0)
    found: list[Detection] = []
    kept: list[int] = []
    for row, index in enumerate(order):
        class_id = int(raw.class_ids[index])
        label = raw.names[index] if raw.names else labels.get(class_id, f"class {class_id}")
        if selection.classes and not selection.classes & {label.lower(), str(class_id)}:
            continue
        rivals = [k for k, other in zip(kept, found, strict=True) if other.class_id == class_id]
        if rivals and iou(boxes[row], boxes[rivals]).max() > selection.max_iou:
            continue
        kept.append(row)
        score = round(float(raw.scores[index]), 5)
        box = Box(*(round(edge, 5) for edge in boxes[row].tolist()))
        found.append(Detection(label, class_id, score, box))
        if len(found) == selection.max_detections:
            break
    return tuple(found)


def iou(box: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of one box [4] with others [N,4] -> [N]; 0 for empty boxes."""
    top_left = np.maximum(box[:2], others[:, :2])
    bottom_right = np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.clip(bottom_right - top_left, 0, None), axis=1)
    union = _area(box[None]) + _area(others) - shared
    result: NDArray[np.float32] = np.divide(shared, union, np.zeros_like(shared), where=union > 0)
    return result


def _area(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    area: NDArray[np.float32] = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return area


def check_classes(selection: Selection, labels: Mapping[int, str]) -> None:
    """See that every class asked for is one the model has, as far as its labels are known.

    Raises:
        UsageError: one is not; the nearest names are suggested.
    """
    known = {label.lower() for label in labels.values()}
    for wanted in sorted(selection.classes):
        if not labels or wanted in known or (wanted.isdigit() and int(wanted) in labels):
            continue
        near = difflib.get_close_matches(wanted, known) or sorted(known)[:8]
        raise UsageError(
            f"The model has no class {wanted!r}.",
            hint=f"Near it: {', '.join(near)}. For all of them: offload models show NAME",
        )
