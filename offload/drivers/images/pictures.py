"""Pillow: encoded bytes to a detector's pixels, and boxes drawn on a picture.

`decode` is the one way from bytes to pixels; every place uses it, so places differ in speed only.
All that is done with bytes raises ImageError where they are no picture of a known format, damaged,
or of more than `max_pixels`.
"""

import io
import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from PIL import Image as Pil
from PIL import ImageDraw, ImageFont, ImageOps, UnidentifiedImageError

from offload.domain.errors import ImageError, TooManyPixels
from offload.domain.vision import Detection, InputSpec, Picture
from offload.drivers.images import formats

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "JPEG2000", "PPM")
MAX_PIXELS = 80_000_000
"""Width times height above which a picture is refused unless told otherwise."""

ORIENTATION_TAG = 0x0112
_SIDEWAYS = {5, 6, 7, 8}
_LEGIBLE_SIDE_PX = 320
_SAMPLE_FORMAT, _UNSIGNED = 339, (1,)
_MISSING = (127, 128)

# `_opened` checks the size itself, before a pixel is decoded.
Pil.MAX_IMAGE_PIXELS = None
# Else what is odd about a file's metadata is printed on standard error.
warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
logging.getLogger("PIL").addHandler(logging.NullHandler())


def decode(data: bytes, spec: InputSpec, max_pixels: int = MAX_PIXELS) -> Picture:
    """The first frame, upright, as RGB in the shape of `spec`.

    A JPEG much larger than the input is decoded at a reduced scale that is still at least twice the
    input, which loses nothing the bilinear resize would keep.
    """
    with _opened(data, max_pixels) as source:
        return _fit(source, spec)


def annotate(data: bytes, detections: Sequence[Detection], max_pixels: int = MAX_PIXELS) -> bytes:
    """The upright picture with boxes and labels drawn, in the format it came in.

    A picture with no side of 320 pixels is enlarged until its labels can be read.
    """
    with _opened(data, max_pixels) as source:
        kind = "JPEG" if source.format == "MPO" else source.format
        canvas = _rgb(ImageOps.exif_transpose(source))
        short = max(canvas.size)
        if short < _LEGIBLE_SIDE_PX:
            factor = -(-_LEGIBLE_SIDE_PX // short)
            canvas = canvas.resize((canvas.width * factor, canvas.height * factor))
        _draw(canvas, detections)
        return _encoded(canvas, kind, **({"quality": 90} if kind in {"JPEG", "WEBP"} else {}))


def longest_px(data: bytes, max_pixels: int = MAX_PIXELS) -> int:
    """The longer side of a picture, of which no pixel is decoded."""
    with _opened(data, max_pixels) as source:
        return max(source.size)


def orientation(data: bytes) -> int:
    """How the pixels of a picture lie, of which none but those of a PNG are decoded: EXIF's number,
    1..8.
    """
    with _opened(data, sys.maxsize) as source:
        return _orientation(source)


def smaller(
    data: bytes, max_side_px: int, quality: int, max_pixels: int = MAX_PIXELS
) -> tuple[bytes, tuple[int, int]] | None:
    """The first frame as an upright JPEG without metadata, its longer side `max_side_px`, and the
    upright width and height of the original in pixels.

    None if the picture is no larger than that. `quality` is JPEG's, 1..95.
    """
    with _opened(data, max_pixels) as source:
        if max(source.size) <= max_side_px:
            return None
        lies = _orientation(source)
        width, height = source.size[::-1] if lies in _SIDEWAYS else source.size
        scale = max_side_px / max(source.size)
        target = max(1, round(source.width * scale)), max(1, round(source.height * scale))
        small = _scaled(source, target, Pil.Resampling.LANCZOS, lies)
        return _encoded(small, "JPEG", quality=quality), (width, height)


def as_png(data: bytes, max_pixels: int = MAX_PIXELS) -> bytes:
    """The first frame as an RGB PNG of the very pixels that `decode` scales, without metadata.

    A photo that says how it is turned is left as it lies and its copy says the same: turned before
    it is scaled, it would not come out of `decode` to the last bit as the original does.
    """
    with _opened(data, max_pixels) as source:
        exif = Pil.Exif()
        if (lies := _orientation(source)) != 1:
            exif[ORIENTATION_TAG] = lies
        return _encoded(_bare(_rgb(source)), "PNG", exif=exif)


def _encoded(picture: Pil.Image, kind: str | None, **options: Any) -> bytes:
    out = io.BytesIO()
    _bare(picture).save(out, kind, **options)
    return out.getvalue()


@contextmanager
def _opened(data: bytes, max_pixels: int) -> Iterator[Pil.Image]:
    """The picture; whatever goes wrong while it is used is an ImageError."""
    try:
        if not data:
            raise ImageError("empty file")
        broken = formats.breaks_off(data)
        whole = data + formats.JPEG_END if broken else data
        with Pil.open(io.BytesIO(whole), formats=_readable(data)) as source:
            width, height = source.size
            if width * height > max_pixels:
                raise TooManyPixels(
                    f"{width} x {height} pixels is more than --max-pixels {max_pixels}"
                )
            if broken:
                _check_end(source)
            yield source
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(formats.unknown(data)) from error
    # Pillow's codecs answer damaged files with nearly every exception there is, and one bad file
    # must not end a run over many.
    except Exception as error:
        raise ImageError(f"damaged image: {error or type(error).__name__}") from error


def _readable(data: bytes) -> tuple[str, ...]:
    """Pillow's names of the formats that the bytes may be of."""
    if formats.READS_HEIF and formats.is_heif(data):
        from pillow_heif import register_heif_opener

        register_heif_opener()
        return ("HEIF",)
    return FORMATS


def _orientation(source: Pil.Image) -> int:
    """How the pixels of a picture that is not loaded yet will lie: EXIF's number, 1..8."""
    # Pillow turns TIFFs by itself while it loads them.
    tag = 1 if source.format == "TIFF" else source.getexif().get(ORIENTATION_TAG, 1)
    return next((number for number in range(2, 9) if number == tag), 1)


def _bare(picture: Pil.Image) -> Pil.Image:
    # Pillow's encoders write some of what a picture was read with: comments, profiles.
    picture.info = {}
    return picture


def _fit(source: Pil.Image, spec: InputSpec) -> Picture:
    lies = _orientation(source)
    sideways = lies in _SIDEWAYS
    width, height = source.size[::-1] if sideways else source.size
    fit_width, fit_height = spec.width, spec.height
    if spec.pad is not None:
        scale = min(spec.width / width, spec.height / height)
        fit_width = min(spec.width, max(1, round(width * scale)))
        fit_height = min(spec.height, max(1, round(height * scale)))
    target = (fit_height, fit_width) if sideways else (fit_width, fit_height)
    pixels = np.asarray(_scaled(source, target, Pil.Resampling.BILINEAR, lies))
    if pixels.shape[:2] != (spec.height, spec.width):
        framed = np.full((spec.height, spec.width, 3), spec.pad, np.uint8)
        framed[:fit_height, :fit_width] = pixels
        pixels = framed
    return Picture(pixels, width, height, (fit_height / spec.height, fit_width / spec.width))


def _scaled(
    source: Pil.Image, target: tuple[int, int], how: Pil.Resampling, lies: int
) -> Pil.Image:
    """The picture scaled to `target` as it lies, then turned upright; no metadata."""
    if source.format in {"JPEG", "MPO"}:
        source.draft(None, (2 * target[0], 2 * target[1]))
    small = _bare(_rgb(source).resize(target, how))
    if lies == 1:
        return small
    small.getexif()[ORIENTATION_TAG] = lies
    return ImageOps.exif_transpose(small)


def _rgb(source: Pil.Image) -> Pil.Image:
    """Any mode as RGB: deep greys scaled to 8 bits, transparency laid over white."""
    if source.mode == "RGB" and "transparency" not in source.info:
        source.load()
        return source
    if source.mode.startswith(("I", "F")):
        return _shallow(source).convert("RGB")
    if source.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in source.info:
        layer = source.convert("RGBA")
        paper = Pil.new("RGBA", layer.size, "white")
        return Pil.alpha_composite(paper, layer).convert("RGB")
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


def _check_end(source: Pil.Image) -> None:
    """Refuse a JPEG of which a tenth is missing or more: where nothing is, its decoder puts grey.

    Raises:
        ImageError: so it is.
    """
    foot = np.asarray(source.crop((0, source.height * 9 // 10, *source.size)))
    if np.isin(foot, _MISSING).all():
        raise ImageError("damaged image: it breaks off")


def sample() -> bytes:
    """A JPEG of usual size and detail, the same every time: something to warm up with."""
    noise = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    return _encoded(Pil.fromarray(noise).resize((1280, 960), Pil.Resampling.BICUBIC), "JPEG")


_PALETTE = ("#0b6e4f", "#b5179e", "#1d4ed8", "#c2410c", "#6d28d9", "#a16207", "#be123c", "#0f766e")


def _draw(canvas: Pil.Image, detections: Sequence[Detection]) -> None:
    side = max(canvas.size)
    line_px = max(2, round(side / 300))
    font = ImageFont.load_default(size=max(13, side / 45))
    pen = ImageDraw.Draw(canvas)
    labels: list[tuple[_Edges, str, str]] = []
    for d in detections:
        colour = _PALETTE[d.class_id % len(_PALETTE)]
        left, top = d.box.xmin * canvas.width, d.box.ymin * canvas.height
        right = max(left, d.box.xmax * canvas.width - 1)
        bottom = max(top, d.box.ymax * canvas.height - 1)
        pen.rectangle((left, top, right, bottom), None, colour, line_px)
        text = f"{d.label} {d.score:.2f}"
        extent = pen.textbbox((0, 0), text, font)
        size = extent[2] + 2 * line_px, extent[3] + 2 * line_px
        taken = [edges for edges, _, _ in labels]
        labels.append(
            (_place_label((left, top, right, bottom), size, canvas.size, taken), text, colour)
        )
    # The best comes last, so that where labels must overlap it is the one that can be read.
    for edges, text, colour in reversed(labels):
        pen.rectangle(edges, colour)
        pen.text((edges[0] + line_px, edges[1] + line_px), text, "white", font)


_Edges = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""


def _place_label(
    box: _Edges, size: tuple[float, float], canvas: tuple[int, int], taken: Sequence[_Edges]
) -> _Edges:
    """Above the box, inside it, below it or at its foot: the first place free of other labels."""
    left, top, _, bottom = box
    width, height = size
    x = min(max(0.0, left), max(0.0, canvas[0] - width))
    places = [
        (x, y, x + width, y + height)
        for y in (top - height, top, bottom, bottom - height)
        if 0 <= y <= canvas[1] - height
    ] or [(x, 0.0, x + width, height)]
    return next((place for place in places if not any(_meet(place, t) for t in taken)), places[0])


def _meet(one: _Edges, other: _Edges) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
