"""Pictures as other programs leave them: deep greys, formats of phones and scanners, cut ends."""

import io
import struct
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from offload.domain.errors import ImageError
from offload.domain.vision import Box, Detection, InputSpec
from offload.drivers.images import formats, pictures
from tests.drawing import encoded, scene

SPEC = InputSpec(48, 64)
GREY = np.asarray(scene().convert("L"), np.float64)
"""29, 76, 150 and 255, in quarters."""


def tiff(pixels: NDArray[Any], sample_format: int) -> bytes:
    """A grey TIFF of any type of number: 1 is unsigned, 2 signed, 3 a float."""
    height, width = pixels.shape
    data = pixels.tobytes()
    entries = [
        (256, width), (257, height), (258, pixels.itemsize * 8), (259, 1), (262, 1), (273, 8),
        (277, 1), (278, height), (279, len(data)), (339, sample_format),
    ]  # fmt: skip
    tags = b"".join(struct.pack("<HHLL", tag, 4, 1, value) for tag, value in entries)
    header = b"II*\0" + struct.pack("<L", 8 + len(data))
    return header + data + struct.pack("<H", len(entries)) + tags + bytes(4)


def seen(data: bytes) -> NDArray[np.int64]:
    return pictures.decode(data, SPEC).pixels[:, :, 0].astype(np.int64)


def odd(pixel: float) -> NDArray[np.float32]:
    changed = (GREY / 255).astype(np.float32)
    changed[0, 0] = pixel
    return changed


@pytest.mark.parametrize(
    "data",
    [
        tiff(GREY.astype(np.float32), 3),
        tiff(GREY.astype(np.int16), 2),
        tiff(GREY.astype(np.int32), 2),
        tiff(GREY.astype(np.uint32), 1),
        tiff((GREY * 257).astype(np.uint16), 1),
        tiff((GREY / 255 * (2**32 - 1)).astype(np.uint32), 1),
        tiff(odd(np.nan), 3),
        tiff(odd(np.inf), 3),
        tiff(odd(1.004), 3),
    ],
    ids=[
        "float 0..255",
        "int16",
        "int32",
        "uint32",
        "uint16",
        "whole uint32",
        "NaN",
        "inf",
        "1.004",
    ],
)
def test_a_deep_grey_is_as_bright_as_what_it_holds(data: bytes) -> None:
    assert np.abs(seen(data)[1:] - GREY[1:]).max() <= 2


def test_what_is_below_zero_is_dark_not_lost() -> None:
    shifted = tiff(((GREY - 142) * 200).astype(np.int16), 2)
    assert seen(shifted).max() >= 200
    assert len(set(seen(shifted)[12::24, 16::32].ravel().tolist())) == 4


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt", "packbits", "tiff_lzw"])
def test_boxes_are_drawn_on_a_scan_whatever_its_compression(compression: str) -> None:
    scan = encoded(scene(400, 300).convert("1"), "TIFF", compression=compression)
    found = [Detection("page", 1, 0.9, Box(0.2, 0.2, 0.8, 0.8))]
    with Image.open(io.BytesIO(pictures.drawn(scan, found)[0])) as drawn:
        assert (drawn.format, drawn.mode) == ("TIFF", "RGB")
        assert "compression" not in drawn.info or drawn.info["compression"] == "raw"


@pytest.mark.parametrize("kind", ["AVIF", "JPEG2000", "PPM"])
def test_formats_of_phones_and_tools_are_read_and_drawn_on(kind: str) -> None:
    data = encoded(scene(), kind)
    wanted = pictures.decode(encoded(scene()), SPEC).pixels.astype(int)
    assert np.abs(pictures.decode(data, SPEC).pixels[::8, 4::8] - wanted[::8, 4::8]).mean() < 12
    with Image.open(io.BytesIO(pictures.drawn(data, [])[0])) as drawn:
        assert drawn.format == kind


def test_heic_is_read_where_pillow_heif_is() -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    data = encoded(scene(), "HEIF", quality=95)
    wanted = pictures.decode(encoded(scene()), SPEC).pixels.astype(int)
    assert np.abs(pictures.decode(data, SPEC).pixels[::8, 4::8] - wanted[::8, 4::8]).mean() < 12


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\0\0\0\x18ftypheic" + bytes(40), "HEIC"),
        (b"%PDF-1.7", "PDF, not an image"),
        (b'<?xml version="1.0"?>\n<svg xmlns="', "SVG, not an image"),
        (b"<!DOCTYPE html><html>", "a web page, not an image"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        (tiff(GREY.astype(np.float16), 3), "TIFF, damaged or of an unusual kind"),
        (b"no picture", "^not an image of a known format .*AVIF"),
    ],
)
def test_the_reason_names_the_format(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        pictures.decode(data, SPEC)


@pytest.mark.skipif(formats.READS_HEIF, reason="pillow-heif is installed")
def test_without_pillow_heif_the_reason_is_what_to_install() -> None:
    assert "pip install 'offload[heif]'" in formats.unknown(b"\0\0\0\x18ftypheic" + bytes(40))


NOISE = Image.fromarray(np.random.default_rng(7).integers(0, 255, (120, 160, 3), np.uint8))


@pytest.mark.parametrize("missing", [1, 2, 100])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_lacks_its_last_bytes_is_read(missing: int, *, progressive: bool) -> None:
    whole = encoded(NOISE, "JPEG", progressive=progressive)
    assert not formats.breaks_off(whole)
    assert not formats.breaks_off(whole + b"what a phone appends: \xff\xda")
    assert formats.breaks_off(whole[:-missing])
    differences = np.abs(seen(whole[:-missing]) - seen(whole))
    assert differences[: SPEC.height * 9 // 10].mean() < 2


def test_half_a_jpeg_is_a_damaged_image() -> None:
    whole = encoded(NOISE, "JPEG")
    with pytest.raises(ImageError, match="damaged image"):
        pictures.decode(whole[: len(whole) // 2], SPEC)
