"""Should I run object detection on these images here, or somewhere else? Measured, then run."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from offload.version import __version__

if TYPE_CHECKING:
    from offload.bootstrap import detect
    from offload.domain.errors import OffloadError
    from offload.domain.results import Row
    from offload.domain.vision import Box, Detection, Detections, Image

__all__ = [
    "Box", "Detection", "Detections", "Image", "OffloadError", "Row", "__version__", "detect",
]  # fmt: skip

_HOMES = {
    "Box": "offload.domain.vision",
    "Detection": "offload.domain.vision",
    "Detections": "offload.domain.vision",
    "Image": "offload.domain.vision",
    "OffloadError": "offload.domain.errors",
    "Row": "offload.domain.results",
    "detect": "offload.bootstrap",
}


def __getattr__(name: str) -> Any:
    """Public names are imported on first use, so that `offload --help` pays for none of them."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'offload' has no attribute {name!r}")
