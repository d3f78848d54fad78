"""How much of what is found in an image is found in a smaller copy of it."""

from collections.abc import Sequence

import numpy as np

from offload.domain.measurements import Agreement
from offload.domain.vision import Detection, iou

_SAME = 0.5
"""The overlap from which two boxes are one object (PASCAL VOC, Everingham et al. 2010)."""


def agreement(full: Sequence[Detection], smaller: Sequence[Detection]) -> Agreement:
    """Match the smaller copy's objects, best score first, each with the free one of the same label
    in the image itself that overlaps it most.
    """
    free = list(full)
    matched = 0
    for found in sorted(smaller, key=lambda d: -d.score):
        rivals = [d for d in free if d.label == found.label]
        if not rivals:
            continue
        overlaps = iou(np.array(found.box), np.array([d.box for d in rivals]))
        best = int(overlaps.argmax())
        if overlaps[best] >= _SAME:
            free.remove(rivals[best])
            matched += 1
    return Agreement(matched, len(full) - matched, len(smaller) - matched)


def f1(agreements: Sequence[Agreement]) -> float | None:
    """The harmonic mean of precision and recall over all images; None without any object."""
    matched = 2 * sum(each.matched for each in agreements)
    missed = sum(each.only_full + each.only_smaller for each in agreements)
    return matched / (matched + missed) if matched + missed else None
