"""Pictures as a program has them: bytes, PIL images and arrays; and as it takes them back."""

import io
import os
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pil
from PIL import ImageOps

from offload.domain.errors import ImageError, UsageError
from offload.domain.vision import Image
from offload.drivers.images import colours

PilImage: TypeAlias = Pil.Image
Picture: TypeAlias = bytes | bytearray | memoryview | PilImage | NDArray[np.uint8]
"""An image in memory: an encoded file, or pixels."""
Source: TypeAlias = str | os.PathLike[str] | Picture | Image | tuple[str, Picture]
Sources: TypeAlias = Source | Iterable[Source] | Mapping[str, Picture]

_BYTES = (bytes, bytearray, memoryview)
_PIXELS = (np.ndarray, Pil.Image)
_KINDS = "a path, bytes, a PIL image, an array, a pair (name, image), or several of these"
_PAIR, _CHANNELS = 2, 3


def sources(given: Sources, *, sent: bool = True) -> tuple[str | Image, ...]:
    """The images that `given` stands for: paths as they are, the others in memory. Those without a
    name are called image-0001 and so on by their place among all. Pixels that are not `sent`
    anywhere are not compressed.

    Raises:
        UsageError: it stands for none.
        ImageError: the pixels of a PIL image cannot be had.
    """
    if isinstance(given, Mapping):
        items: list[Any] = [*given.items()]
    elif isinstance(given, (str, os.PathLike, Image, *_BYTES, *_PIXELS)) or _is_pair(given):
        items = [given]
    elif isinstance(given, Iterable):
        items = [*given]
    else:
        raise UsageError(f"Images are {_KINDS}, not {type(given).__name__}.")
    if not items:
        raise UsageError("The list is empty.")
    return tuple(_source(each, number, sent=sent) for number, each in enumerate(items, 1))


def picture(data: bytes) -> PilImage:
    """Bytes of ours as a PIL image."""
    return Pil.open(io.BytesIO(data))


def _is_pair(given: Any) -> bool:
    return (
        isinstance(given, tuple)
        and len(given) == _PAIR
        and isinstance(given[0], str)
        and isinstance(given[1], (*_BYTES, *_PIXELS))
    )


def _source(given: Any, number: int, *, sent: bool) -> str | Image:
    if isinstance(given, str | os.PathLike):
        return os.fsdecode(given)
    if isinstance(given, Image):
        given = given.path, given.data
    name, held = given if _is_pair(given) else (f"image-{number:04}", given)
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or parts[0][0] == "/" or not name.isprintable():
        raise UsageError(f"An image cannot be called {name!r}.", hint="For instance: sub/a.jpg")
    name = "/".join(parts)
    if isinstance(held, _BYTES):
        return Image(name, bytes(held))
    if isinstance(held, _PIXELS):
        return Image(name, _encoded(name, held, sent=sent))
    raise UsageError(f"Images are {_KINDS}, not {type(held).__name__}.")


def _encoded(name: str, held: Any, *, sent: bool) -> bytes:
    if isinstance(held, np.ndarray):
        if held.dtype != np.uint8 or held.shape[2:] != (_CHANNELS,) or not held.size:
            raise UsageError(
                f"{name} is an array of {held.dtype}, shape {list(held.shape)}; use uint8, "
                f"[height, width, 3], RGB.",
                hint="For an OpenCV image: image[..., ::-1]",
            )
        held = Pil.fromarray(np.ascontiguousarray(held))
    out = io.BytesIO()
    try:
        upright = colours.rgb(ImageOps.exif_transpose(held))
        upright.info = {}  # metadata goes nowhere
        upright.save(out, "PNG" if sent else "PPM", compress_level=1)
    except (AssertionError, OSError, SyntaxError, ValueError) as error:  # a damaged or closed file
        raise ImageError(f"{name} cannot be read: {error}") from error
    return out.getvalue()
