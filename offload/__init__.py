"""Should I run object detection on these images here, or somewhere else? Measured, then run."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from offload.version import __version__

if TYPE_CHECKING:
    from offload.api.deciding import advise, profile
    from offload.api.detecting import Detector, detect
    from offload.api.rows import Row, Rows
    from offload.costmodel.advice import Advice
    from offload.domain.errors import ModelError, OffloadError, PlaceUnavailable, UsageError
    from offload.domain.measurements import Measurement
    from offload.domain.results import to_records
    from offload.domain.vision import Box, Detection, Image

__all__ = [
    "Advice", "Box", "Detection", "Detector", "Image", "Measurement", "ModelError", "OffloadError",
    "PlaceUnavailable", "Row", "Rows", "UsageError", "__version__", "advise", "detect", "profile",
    "to_records",
]  # fmt: skip

_HOMES = {
    "offload.api.deciding": ("advise", "profile"),
    "offload.api.detecting": ("Detector", "detect"),
    "offload.api.rows": ("Row", "Rows"),
    "offload.costmodel.advice": ("Advice",),
    "offload.domain.errors": ("ModelError", "OffloadError", "PlaceUnavailable", "UsageError"),
    "offload.domain.measurements": ("Measurement",),
    "offload.domain.results": ("to_records",),
    "offload.domain.vision": ("Box", "Detection", "Image"),
}


def __getattr__(name: str) -> Any:
    """Public names are imported on first use, so that `offload --help` pays for none of them."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module 'offload' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names, imported or not."""
    return __all__
