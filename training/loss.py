"""Which grid point learns which object, and the loss that follows.

Shapes: B photos, A grid points, M objects at most in a photo, C classes. Boxes are
(x0, y0, x1, y1) in pixels.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class Truth(NamedTuple):
    """The objects of a batch, padded to M per photo."""

    boxes: Tensor
    """[B, M, 4]"""
    classes: Tensor
    """[B, M]"""
    weights: Tensor
    """[B, M]: 1 an object, 0 unsure (its class is not punished inside its box), -1 padding."""


class Assignment(NamedTuple):
    """What each grid point is to learn."""

    positive: Tensor
    """[B, A], bool: the point learns an object."""
    index: Tensor
    """[B, A]: which of the M objects."""
    weight: Tensor
    """[B, A]: the score it should give, 0..1."""


def box_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of boxes [..., 4], pair by pair."""
    overlap = torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])
    intersection = overlap.clamp(min=0).prod(-1)
    area_a, area_b = ((box[..., 2:] - box[..., :2]).prod(-1) for box in (a, b))
    return intersection / (area_a + area_b - intersection + 1e-7)


def complete_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU less penalties for the distance of the centres and for differing aspect ratios (CIoU)."""
    iou = box_iou(a, b)
    hull = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    diagonal = (hull**2).sum(-1) + 1e-7
    distance = ((a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) ** 2).sum(-1) / 4
    width_a, height_a = (a[..., 2:] - a[..., :2]).unbind(-1)
    width_b, height_b = (b[..., 2:] - b[..., :2]).unbind(-1)
    angle = torch.atan(width_b / (height_b + 1e-7)) - torch.atan(width_a / (height_a + 1e-7))
    aspect = 4 / math.pi**2 * angle**2
    with torch.no_grad():
        factor = aspect / (1 - iou + aspect + 1e-7)
    return iou - distance / diagonal - factor * aspect


def points_inside(points: Tensor, boxes: Tensor) -> Tensor:
    """Tell which of the points [A, 2] lie inside which of the boxes [B, M, 4]: bool [B, M, A]."""
    from_start = points[None, None] - boxes[:, :, None, :2]
    to_end = boxes[:, :, None, 2:] - points[None, None]
    return torch.minimum(from_start, to_end).amin(-1) > 0


def nearest_point(points: Tensor, boxes: Tensor) -> Tensor:
    """Mark the one of the points [A, 2] nearest to each box's centre: bool [B, M, A]."""
    centres = (boxes[..., None, :2] + boxes[..., None, 2:]) / 2
    squared_distance = ((points[None, None] - centres) ** 2).sum(-1)
    return functional.one_hot(squared_distance.argmin(-1), len(points)).bool()


@torch.no_grad()
def assign(scores: Tensor, boxes: Tensor, points: Tensor, truth: Truth) -> Assignment:
    """Give each object its ten best-aligned points (task-aligned assignment).

    scores [B, A, C] and boxes [B, A, 4] are the network's, points [A, 2] its grid. A point's
    alignment with an object is score ** 0.5 * iou ** 6.
    """
    sure = (truth.weights > 0)[:, :, None]
    inside = points_inside(points, truth.boxes) & sure
    iou = box_iou(truth.boxes[:, :, None], boxes[:, None]).clamp(min=0)
    wanted = truth.classes[:, :, None].expand_as(iou)
    alignment = scores.transpose(1, 2).gather(1, wanted).pow(0.5) * iou.pow(6.0) * inside
    # a box too small to hold a grid point takes the nearest one
    homeless = sure & ~inside.any(-1, keepdim=True)
    lent = nearest_point(points, truth.boxes) & homeless
    alignment = torch.where(lent, alignment.clamp(min=1e-6), alignment)
    best = alignment.topk(10, -1)
    positive = torch.zeros_like(inside).scatter_(2, best.indices, best.values > 0)
    # a point wanted by several objects learns the one it overlaps most
    contested = (positive.sum(1) > 1)[:, None]
    winner = functional.one_hot((iou * positive).argmax(1), iou.shape[1]).transpose(1, 2).bool()
    positive = torch.where(contested, winner & positive, positive)
    # an object's best-aligned point is to score the object's best iou, the others less
    alignment = alignment * positive
    relative = alignment / (alignment.amax(-1, keepdim=True) + 1e-9)
    weight = (relative * (iou * positive).amax(-1, keepdim=True)).amax(1)
    return Assignment(positive.any(1), positive.float().argmax(1), weight)


def unpunished(points: Tensor, truth: Truth, class_count: int) -> Tensor:
    """Mark the points and classes that unsure objects cover: bool [B, A, C]."""
    unsure = (truth.weights == 0)[:, :, None]
    covered = (points_inside(points, truth.boxes) & unsure).float()
    classes = functional.one_hot(truth.classes, class_count).float()
    return covered.transpose(1, 2) @ classes > 0


def detection_loss(
    logits: Tensor, distances: Tensor, points: Tensor, truth: Truth
) -> tuple[Tensor, Tensor]:
    """Return the class loss and the box loss of the network's logits and distances."""
    boxes = torch.cat([points - distances[..., :2], points + distances[..., 2:]], -1)
    scores = logits.detach().sigmoid()
    positive, index, weight = assign(scores, boxes.detach(), points, truth)
    target = torch.zeros_like(logits)
    target.scatter_(2, truth.classes.gather(1, index)[..., None], (weight * positive)[..., None])
    norm = target.sum().clamp(min=1.0)

    # most points see background: those already sure of it count little
    focus = torch.where(target > 0, torch.ones_like(scores), 0.75 * scores**1.5 + 0.05)
    counted = (target > 0) | ~unpunished(points, truth, logits.shape[-1])
    entropy = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    class_loss = (entropy * counted * focus).sum() / norm

    wanted = truth.boxes.gather(1, index[..., None].expand_as(boxes))[positive]
    error = 1 - complete_iou(boxes[positive], wanted)
    return class_loss, (error * weight[positive]).sum() / norm
