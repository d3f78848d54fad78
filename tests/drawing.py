"""Pictures made on the spot."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def scene(width: int = 64, height: int = 48) -> Image.Image:
    """A picture whose quarters differ: red, green / blue, white; so that turning it shows."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = (255, 0, 0)
    pixels[: height // 2, width // 2 :] = (0, 255, 0)
    pixels[height // 2 :, : width // 2] = (0, 0, 255)
    pixels[height // 2 :, width // 2 :] = (255, 255, 255)
    return Image.fromarray(pixels)


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The picture as bytes of that format."""
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def saved(path: Path, picture: Image.Image | None = None, kind: str = "JPEG") -> Path:
    """The picture as a file, its folder made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(picture or scene(), kind))
    return path
