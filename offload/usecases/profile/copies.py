"""Smaller copies of images: which are worth measuring at a place."""

from collections.abc import Sequence
from statistics import fmean, median

from offload.domain.measurements import ImageSample, Probe
from offload.usecases.profile import probing

_SIDES_PX = (1280, 640, 320)
"""Longest sides of copies; no detector we know takes less than 300 pixels."""
_MOST_SIDES = 2


def sides_px(longest_px: Sequence[int]) -> list[int]:
    """Longest sides of copies, the larger ones of those that make most pictures smaller."""
    usual_px = median(longest_px)
    return [side_px for side_px in _SIDES_PX if side_px < usual_px][:_MOST_SIDES]


def uplink_binds(images: Sequence[ImageSample], probes: Sequence[Probe], slots: int) -> bool:
    """Whether images take longer to send than the place's slots take to decode and infer them."""
    if not images:
        return False
    per_byte_s = probing.seconds_per_byte(probes, "up")
    working_s = fmean(image.durations.decode_s + image.durations.infer_s for image in images)
    return fmean(image.sent_bytes for image in images) * per_byte_s > working_s / slots
