"""What a picture holds, in any of Pillow's modes, as colours of 8 bits."""

import numpy as np
from PIL import Image as Pil

from offload.domain.errors import ImageError

_SAMPLE_FORMAT, _UNSIGNED = 339, (1,)
_MISSING = (127, 128)


def rgb(source: Pil.Image) -> Pil.Image:
    """Any mode as RGB: deep greys scaled to 8 bits, transparency laid over white."""
    if source.mode == "RGB" and "transparency" not in source.info:
        source.load()
        return source
    if source.mode.startswith(("I", "F")):
        return _shallow(source).convert("RGB")
    if source.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in source.info:
        layer = source if source.mode == "RGBA" else source.convert("RGBA")
        paper = Pil.new("RGB", layer.size, "white")
        paper.paste(layer, mask=layer)
        return paper
    return source.convert("RGB")


def _shallow(source: Pil.Image) -> Pil.Image:
    """A deep grey in 8 bits. White is 1 for floats, or the highest there is; for whole numbers all
    the bits that the highest takes, 8 at least. Black is 0, or the lowest, and what is no number.
    """
    held = np.asarray(source)
    if getattr(source, "tag_v2", {}).get(_SAMPLE_FORMAT) == _UNSIGNED and source.mode == "I":
        held = held.view(np.uint32)  # Pillow reads these as signed
    there = np.isfinite(held)
    low, high = float(held.min(initial=0, where=there)), float(held.max(initial=0, where=there))
    white = max(1.0, high) if source.mode == "F" else 2.0 ** max(8, int(high).bit_length()) - 1
    deep = held.astype(np.float32)
    deep[~there] = low
    deep *= 255 / (white - low)
    deep -= low * 255 / (white - low)
    return Pil.fromarray(deep.astype(np.uint8))


def check_end(source: Pil.Image) -> None:
    """Refuse a JPEG of which a tenth is missing or more: where nothing is, its decoder puts grey.

    Raises:
        ImageError: so it is.
    """
    foot = np.asarray(source.crop((0, source.height * 9 // 10, *source.size)))
    if np.isin(foot, _MISSING).all():
        raise ImageError("damaged image: it is truncated")
