"""Versions of what a measurement depends on."""

from contextlib import suppress
from importlib import metadata

from offload.version import __version__

_LIBRARIES = ("ai-edge-litert", "tensorflow", "tensorflow-hub", "numpy", "pillow", "httpx")


def versions() -> dict[str, str]:
    """Ours, and those of the libraries that are installed."""
    found = {"offload": __version__}
    for name in _LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
