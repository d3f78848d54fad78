"""Images in, detections out: the types every place and every runtime shares."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from offload.domain.errors import UsageError
from offload.domain.timing import Durations
from offload.domain.typed import Id, Share

if TYPE_CHECKING:  # the names of models and places are to be had without
    import numpy as np
    from numpy.typing import NDArray

Pixels: TypeAlias = "NDArray[np.uint8]"
"""RGB, shape [height, width, 3]."""


MAX_FILE_BYTES = 512 * 2**20
"""No picture within the pixel limit comes near this; larger files are refused unread."""


@dataclass(frozen=True, slots=True)
class Image:
    """One picture as it would be sent: its relative path, which is its identity, and its bytes."""

    path: str
    data: bytes


class Box(NamedTuple):
    """Edges as shares of the upright picture's height and width, 0..1."""

    ymin: Share
    xmin: Share
    ymax: Share
    xmax: Share


class Detection(NamedTuple):
    """One object: its label, score (0..1) and box."""

    label: str
    class_id: Id
    score: Share
    box: Box


@dataclass(frozen=True, slots=True)
class Detections:
    """One image's objects, best first, its upright size in pixels, where the seconds went, and how
    much of it left this process.
    """

    found: tuple[Detection, ...]
    width: int
    height: int
    durations: Durations
    sent_bytes: int = 0


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
    """A decoded picture in a detector's input shape; it fills the share `covered` of the input's
    height and width.
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

    boxes: "NDArray[np.float32]"
    scores: "NDArray[np.float32]"
    class_ids: "NDArray[np.int64]"
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

    Boxes are rescaled from the detector's input to the picture and clipped to it. A damaged model
    answers with anything: what is no number is left out, the rest brought into its range.
    """
    import numpy as np

    sound = np.isfinite(raw.boxes).all(axis=1)
    order = np.flatnonzero(sound & (raw.scores >= selection.min_score))
    order = order[np.argsort(-raw.scores[order], kind="stable")]
    ids = raw.class_ids[order].tolist()
    if raw.names:
        names = [raw.names[index] for index in order]
    else:
        names = [labels.get(class_id, f"class {class_id}") for class_id in ids]
    scale = np.array([*covered, *covered])
    boxes = np.clip(raw.boxes[order] / scale, 0.0, 1.0)
    boxes[:, 2:] = np.maximum(boxes[:, :2], boxes[:, 2:])
    kept: list[int] = []
    rivals = _rivals(boxes, raw.class_ids[order], selection.max_iou)
    for row, (class_id, name) in enumerate(zip(ids, names, strict=True)):
        if selection.classes and not selection.classes & {name.lower(), str(class_id)}:
            continue
        if rivals is not None and rivals[row, kept].any():
            continue
        kept.append(row)
        if len(kept) == selection.max_detections:
            break
    scores = np.minimum(raw.scores[order], 1).astype(np.float64).round(5).tolist()
    edges = boxes.round(5).tolist()
    return tuple(Detection(names[k], ids[k], scores[k], Box(*edges[k])) for k in kept)


def _rivals(
    boxes: "NDArray[np.float64]", class_ids: "NDArray[np.int64]", max_iou: float
) -> "NDArray[np.bool_] | None":
    """[N,N]: which pairs are of one class and overlap by more than `max_iou`; None if none can."""
    if max_iou >= 1 or len(boxes) <= 1:
        return None
    same = class_ids[:, None] == class_ids
    rivals: NDArray[np.bool_] = same & (iou(boxes[:, None], boxes) > max_iou)
    return rivals


def iou(one: "NDArray[np.float64]", other: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Intersection over union of boxes [...,4], broadcast against each other; 0 for empty boxes."""
    import numpy as np

    sides = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    sides = np.maximum(sides, 0)
    shared = sides[..., 0] * sides[..., 1]
    areas = [(b[..., 2] - b[..., 0]) * (b[..., 3] - b[..., 1]) for b in (one, other)]
    union = areas[0] + areas[1] - shared
    result: NDArray[np.float64] = shared / np.where(union > 0, union, 1)
    return result


def check_classes(selection: Selection, labels: Mapping[int, str]) -> None:
    """See that every class asked for is one the model has, as far as its labels are known.

    Raises:
        UsageError: one is not; the nearest names are suggested.
    """
    known = {label.lower() for label in labels.values()}
    for wanted in sorted(selection.classes):
        if not labels or wanted in known or (wanted.isdecimal() and int(wanted) in labels):
            continue
        near = difflib.get_close_matches(wanted, known) or sorted(known)[:8]
        hint = f"Similar: {', '.join(near)}. For all: offload models show NAME"
        if "," in wanted:
            hint = "Give each class its own --class."
        raise UsageError(f"The model has no class {wanted!r}.", hint=hint)
