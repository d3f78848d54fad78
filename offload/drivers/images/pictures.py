"""Pillow: encoded bytes to a detector's pixels, and boxes drawn on a picture.

`decode` is the one way from bytes to pixels; every place uses it, so places differ in speed only.
All that is done with bytes raises ImageError where they are no picture of a known format, damaged,
or of more than `max_pixels`.
"""

import io
import logging
import sys
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, TypeVar, cast

import numpy as np
from PIL import Image as Pil
from PIL import ImageOps, UnidentifiedImageError

from offload.domain.errors import ImageError, TooHeavy, TooManyPixels
from offload.domain.vision import Detection, InputSpec, Picture
from offload.drivers.host import apart, machine
from offload.drivers.host.memory import MemoryBudget
from offload.drivers.images import boxes, colours, formats, pieces

T = TypeVar("T")

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "JPEG2000", "PPM")
MAX_PIXELS = 80_000_000
"""Width times height above which a picture is refused unless told otherwise."""

_LIGHT_BYTES = 256 * 2**20
"""A picture that takes no more is decoded in this process."""

_MOST_S = 10
"""Of a core: what a picture of MAX_PIXELS may take to decode where that is not known beforehand."""

_TOO_MUCH = "decoding it takes more time or memory than allowed"
_MOST_BYTES = (machine.usable_memory_bytes() or 8 * 2**30) // 2
_memory = MemoryBudget(min(_MOST_BYTES, 2 * 2**30))

ORIENTATION_TAG = 0x0112
_SIDEWAYS = {5, 6, 7, 8}
_LEGIBLE_SIDE_PX = 320
_THUMBNAIL_QUALITY = 75

# `_opened` checks the size itself, before a pixel is decoded.
Pil.MAX_IMAGE_PIXELS = None
# Else what is odd about a file's metadata is printed on standard error.
warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
logging.getLogger("PIL").addHandler(logging.NullHandler())


def decode(
    data: bytes, spec: InputSpec, max_pixels: int = MAX_PIXELS, *, heavy: bool = True
) -> Picture:
    """The first frame, upright, as RGB in the shape of `spec`.

    A JPEG much larger than the input is decoded at a reduced scale that is still at least twice the
    input, which loses nothing the bilinear resize would keep. Unless it may be `heavy`, one that is
    not decoded in this process raises TooHeavy.
    """
    return _made(
        data, max_pixels, _fit, spec, least_px=2 * max(spec.width, spec.height), heavy=heavy
    )


def drawn(
    data: bytes, detections: Sequence[Detection], max_pixels: int = MAX_PIXELS
) -> tuple[bytes, bytes]:
    """The upright picture with boxes and labels drawn, in the format it came in, and a JPEG of it
    with no side above 320 pixels. One with no side of so many is enlarged until its labels can be
    read.
    """
    return _made(data, max_pixels, _annotated, detections)


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
    return _made(data, max_pixels, _smaller, max_side_px, quality, least_px=2 * max_side_px)


def as_png(data: bytes, max_pixels: int = MAX_PIXELS) -> bytes:
    """The first frame as an RGB PNG of the very pixels that `decode` scales, without metadata.

    A photo that says how it is turned is left as it lies and its copy says the same: turned before
    it is scaled, it would not come out of `decode` to the last bit as the original does.
    """
    return _made(data, max_pixels, _png)


def _encoded(picture: Pil.Image, kind: str | None, **options: Any) -> bytes:
    out = io.BytesIO()
    _bare(picture).save(out, kind, **options)
    return out.getvalue()


def _made(
    data: bytes,
    max_pixels: int,
    work: Callable[..., T],
    *rest: Any,
    least_px: int = 0,
    heavy: bool = True,
) -> T:
    """What `work(picture, *rest)` makes, once there is memory for it; in a process that can be
    ended where the bytes do not bound how long it takes, or where it takes much memory.

    A JPEG may be decoded at a reduced scale down to sides of `least_px`, unless that is 0.
    """
    scans = pieces.scans(data)
    asked = (data, max_pixels, work, rest, scans, least_px)
    if scans is not None:
        with closing(_steps(*asked)) as steps:
            if (weight_bytes := next(steps)) <= _LIGHT_BYTES:
                with _memory.of(weight_bytes):
                    return cast("T", next(steps))
    if not heavy:
        raise TooHeavy("this picture is costly to decode")
    most_s = _MOST_S * max(1, max_pixels // MAX_PIXELS)
    try:
        with (
            apart.steps(_steps, *asked, most_s=most_s, most_bytes=_MOST_BYTES) as far,
            _memory.of(next(far)),
        ):
            return cast("T", next(far))
    except apart.GoneError as error:
        raise ImageError(_TOO_MUCH) from error


def _steps(
    data: bytes,
    max_pixels: int,
    work: Callable[..., Any],
    rest: Sequence[Any],
    scans: int | None,
    least_px: int,
) -> Generator[Any]:
    """About how many bytes `work` takes, then what it makes."""
    broken = formats.breaks_off(data)
    if broken:
        least_px = 0  # it is looked at as a whole
    with _opened(data, max_pixels) as source:
        weight_bytes = pieces.weight_bytes(source.format, source.mode, source.size, scans, least_px)
        if weight_bytes > _MOST_BYTES:
            raise TooManyPixels(
                f"decoding {source.width} x {source.height} pixels of this kind takes "
                f"{weight_bytes >> 20} MB, more than half of the memory there is"
            )
        yield weight_bytes
        if broken:
            colours.check_end(source)
        made = work(source, *rest)
    del source  # and what its decoder holds
    yield made


@contextmanager
def _opened(data: bytes, max_pixels: int) -> Iterator[Pil.Image]:
    """The picture; whatever goes wrong while it is used is an ImageError."""
    try:
        if not data:
            raise ImageError("empty file")
        whole = data + formats.JPEG_END if formats.breaks_off(data) else data
        with closing(Pil.open(io.BytesIO(whole), formats=_readable(data))) as source:
            width, height = source.size
            if width * height > max_pixels:
                raise TooManyPixels(
                    f"{width} x {height} pixels is more than --max-pixels {max_pixels}"
                )
            yield source
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(_TOO_MUCH) from error
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


def _annotated(source: Pil.Image, detections: Sequence[Detection]) -> tuple[bytes, bytes]:
    kind = "JPEG" if source.format == "MPO" else source.format
    canvas = colours.rgb(ImageOps.exif_transpose(source))
    short = max(canvas.size)
    if short < _LEGIBLE_SIDE_PX:
        factor = -(-_LEGIBLE_SIDE_PX // short)
        canvas = canvas.resize((canvas.width * factor, canvas.height * factor))
    boxes.draw(canvas, detections)
    picture = _encoded(canvas, kind, **({"quality": 90} if kind in {"JPEG", "WEBP"} else {}))
    canvas.thumbnail((_LEGIBLE_SIDE_PX, _LEGIBLE_SIDE_PX), Pil.Resampling.BILINEAR, 2)
    return picture, _encoded(canvas, "JPEG", quality=_THUMBNAIL_QUALITY)


def _smaller(
    source: Pil.Image, max_side_px: int, quality: int
) -> tuple[bytes, tuple[int, int]] | None:
    if max(source.size) <= max_side_px:
        return None
    lies = _orientation(source)
    width, height = source.size[::-1] if lies in _SIDEWAYS else source.size
    scale = max_side_px / max(source.size)
    target = max(1, round(source.width * scale)), max(1, round(source.height * scale))
    small = _scaled(source, target, Pil.Resampling.LANCZOS, lies)
    return _encoded(small, "JPEG", quality=quality), (width, height)


def _png(source: Pil.Image) -> bytes:
    exif = Pil.Exif()
    if (lies := _orientation(source)) != 1:
        exif[ORIENTATION_TAG] = lies
    return _encoded(_bare(colours.rgb(source)), "PNG", exif=exif)


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
    if source.format in pieces.JPEGS:
        source.draft(None, (2 * target[0], 2 * target[1]))
    small = _bare(colours.rgb(source).resize(target, how))
    if lies == 1:
        return small
    small.getexif()[ORIENTATION_TAG] = lies
    return ImageOps.exif_transpose(small)


def sample() -> bytes:
    """A JPEG of usual size and detail, the same every time: something to warm up with."""
    noise = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    return _encoded(Pil.fromarray(noise).resize((1280, 960), Pil.Resampling.BICUBIC), "JPEG")
