import contextlib
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from offload.domain.errors import ImageError
from offload.domain.vision import Box, Detection, InputSpec
from offload.drivers.images import pictures
from tests.drawing import encoded, scene

SPEC = InputSpec(32, 32)
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def quarters(data: bytes, spec: InputSpec = SPEC) -> list[tuple[int, ...]]:
    """The colours in the middle of the four quarters, row by row."""
    pixels = pictures.decode(data, spec).pixels
    rows, columns = spec.height // 4, spec.width // 4
    return [tuple(pixels[y * rows, x * columns].tolist()) for y in (1, 3) for x in (1, 3)]


def close(found: list[tuple[int, ...]], wanted: list[tuple[int, ...]]) -> bool:
    return bool(np.abs(np.array(found) - np.array(wanted)).max() <= 12)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
def test_every_format_gives_the_same_picture(kind: str) -> None:
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    options = {"lossless": True} if kind == "WEBP" else options
    data = encoded(scene(), kind, **options)
    assert close(quarters(data), [RED, GREEN, BLUE, WHITE])
    picture = pictures.decode(data, SPEC)
    assert (picture.width, picture.height) == (64, 48)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("spec", [SPEC, InputSpec(32, 48), InputSpec(40, 40, pad=0)])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_turned_photo_is_detected_upright(orientation: int, spec: InputSpec, kind: str) -> None:
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = scene().transpose(undo[orientation]) if orientation > 1 else scene()
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = pictures.decode(encoded(stored, kind, exif=exif), spec)
    upright = pictures.decode(encoded(scene()), spec)
    assert (turned.width, turned.height) == (64, 48)
    assert turned.covered == upright.covered
    assert np.abs(turned.pixels.astype(int) - upright.pixels).max() <= 2


def modes() -> dict[str, Image.Image]:
    grey = scene().convert("L")
    deep = Image.fromarray(np.asarray(grey, np.uint16) * 257)
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    lab = ImageCms.profileToProfile(scene(), *profiles, outputMode="LAB")
    assert lab is not None
    return {
        "L": grey,
        "1": scene().convert("1", dither=Image.Dither.NONE),
        "P": scene().convert("P", palette=Image.Palette.ADAPTIVE),
        "LA": grey.convert("LA"),
        "RGBA": scene().convert("RGBA"),
        "I;16": deep,
        "I": deep.convert("I"),
        "F": Image.fromarray(np.asarray(grey, np.float32) / 255),
        "CMYK": scene().convert("CMYK"),
        "YCbCr": scene().convert("YCbCr"),
        "LAB": lab,
    }


@pytest.mark.parametrize("mode", modes())
def test_any_mode_becomes_rgb_of_the_right_brightness(mode: str) -> None:
    kind = "PNG" if mode in {"L", "1", "P", "LA", "RGBA", "I;16"} else "TIFF"
    data = encoded(modes()[mode], kind)
    bottom_right = quarters(data)[3]
    assert min(bottom_right) > 245, "white stays white, not clipped or darkened"
    assert quarters(data)[2] != bottom_right


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 64, dtype=np.uint16)[None].repeat(48, 0)
    pixels = pictures.decode(encoded(Image.fromarray(ramp)), InputSpec(48, 64)).pixels
    assert np.abs(pixels[0, :, 0].astype(int) - np.linspace(0, 255, 64)).max() <= 2


def test_what_is_transparent_is_white_whatever_colour_hides_there() -> None:
    ghost = Image.new("RGBA", (40, 40), (10, 200, 30, 0))
    assert close(quarters(encoded(ghost)), [WHITE] * 4)
    palette = Image.new("P", (40, 40), 0)
    palette.putpalette([10, 200, 30] + [0] * 765)
    assert close(quarters(encoded(palette, "PNG", transparency=0)), [WHITE] * 4)


def test_an_animation_counts_as_its_first_frame() -> None:
    frames = [scene(), Image.new("RGB", (64, 48), "black")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert close(quarters(data), [RED, GREEN, BLUE, WHITE])


def test_padding_keeps_the_shape_and_says_what_it_covers() -> None:
    picture = pictures.decode(encoded(scene(80, 40)), InputSpec(40, 40, pad=127))
    assert picture.covered == (0.5, 1.0)
    assert (picture.pixels[21:] == 127).all()
    assert tuple(picture.pixels[5, 5]) == RED


def test_a_huge_jpeg_decoded_at_a_reduced_scale_looks_the_same() -> None:
    noise = np.random.default_rng(7).integers(0, 255, (30, 40, 3), np.uint8)
    large = Image.fromarray(noise).resize((1600, 1200), Image.Resampling.BICUBIC)
    jpeg, exact = encoded(large, "JPEG", quality=95), encoded(large, "PNG")
    ours = pictures.decode(jpeg, SPEC).pixels.astype(int)
    assert np.abs(ours - pictures.decode(exact, SPEC).pixels).mean() < 2


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"hello", "not an image"),
        (encoded(scene(), "JPEG")[:400], "damaged|not an image"),
        (encoded(scene(400, 400), "PNG")[:200], "damaged"),
        (b"<svg></svg>", "not an image"),
    ],
)
def test_what_is_no_picture_is_an_image_error_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        pictures.decode(data, SPEC)


def test_a_decompression_bomb_is_refused_before_it_is_decoded() -> None:
    bomb = encoded(Image.new("1", (20_000, 20_000)), "PNG")
    assert len(bomb) < 100_000
    with pytest.raises(ImageError, match="20000 x 20000 pixels is more than --max-pixels"):
        pictures.decode(bomb, SPEC)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_damage_escapes_as_another_error(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"]))
    whole = bytearray(encoded(scene(), kind))
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(1, len(whole)))
    try:
        picture = pictures.decode(bytes(whole[:cut]), SPEC, max_pixels=1_000_000)
    except ImageError:
        return
    assert picture.pixels.shape == (32, 32, 3)


@pytest.mark.parametrize("size", [(8, 6), (64, 48), (640, 480), (3000, 2000)])
def test_an_annotated_picture_shows_the_box_at_any_size(size: tuple[int, int]) -> None:
    found = [Detection("person", 1, 0.87, Box(0.25, 0.25, 0.75, 0.75))]
    data = pictures.drawn(encoded(Image.new("RGB", size, "white")), found)[0]
    drawn = Image.open(io.BytesIO(data))
    assert drawn.format == "PNG"
    assert max(drawn.size) >= 320
    assert drawn.size[0] * size[1] == drawn.size[1] * size[0]
    edge = np.asarray(drawn)[drawn.height // 2, drawn.width // 4 : drawn.width // 4 + 2]
    assert edge.min() < 200, "the box's left edge is drawn"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
def test_an_annotated_picture_keeps_its_format_and_is_upright(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {"exif": exif} if kind in {"JPEG", "PNG", "WEBP", "TIFF"} else {}
    data = pictures.drawn(encoded(scene(400, 200), kind, **options), [])[0]
    drawn = Image.open(io.BytesIO(data))
    assert drawn.format == kind
    assert drawn.size == ((200, 400) if options else (400, 200))
    assert drawn.getexif().get(0x0112, 1) == 1


def test_labels_of_neighbours_do_not_cover_each_other() -> None:
    boxes = [Box(0.4, x, 0.8, x + 0.1) for x in (0.1, 0.15, 0.2)]
    one_by_one = [Detection("person", n, 0.9, box) for n, box in enumerate(boxes)]
    white = encoded(Image.new("RGB", (640, 480), "white"))

    def drawn(found: list[Detection]) -> "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]":
        with Image.open(io.BytesIO(pictures.drawn(white, found)[0])) as picture:
            return np.asarray(picture.convert("L")) < 255

    together = drawn(one_by_one).sum()
    apart = sum(drawn([d]).sum() for d in one_by_one)
    assert together > 0.9 * apart, "only the boxes' thin edges overlap"


def test_of_very_many_all_boxes_are_drawn_and_the_labels_of_the_best() -> None:
    crowd = [Detection("dog", 1, 0.9, Box(0.0, 0.0, 0.1, 0.1))] * 500
    last = Detection("a label as long as the picture is wide", 1, 0.1, Box(0.5, 0.5, 0.9, 0.51))
    white = encoded(Image.new("RGB", (640, 480), "white"))
    with Image.open(io.BytesIO(pictures.drawn(white, [*crowd, last])[0])) as picture:
        dark = np.asarray(picture.convert("L"))[200:] < 255
    assert dark[50, 320]
    assert not dark[:, 340:].any()


HELD = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def held(picture: Image.Image, orientation: int, kind: str, **options: Any) -> bytes:
    """The upright picture as a camera held that way stores it."""
    how = HELD[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(
        picture.transpose(how) if how is not None else picture, kind, exif=exif, **options
    )


def opened(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        return picture


@pytest.mark.parametrize("orientation", HELD)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_smaller_copy_is_upright_and_of_the_same_shape(orientation: int, kind: str) -> None:
    copy = pictures.smaller(held(scene(640, 320), orientation, kind), 160, quality=90)
    assert copy is not None
    assert copy[1] == (640, 320)
    small = opened(copy[0])
    assert (small.format, small.size) == ("JPEG", (160, 80))
    assert not small.getexif()
    assert close(quarters(copy[0]), [RED, GREEN, BLUE, WHITE])


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (300, 300), (1, 1)])
def test_a_picture_already_small_enough_has_no_smaller_copy(size: tuple[int, int]) -> None:
    assert pictures.smaller(encoded(scene(*size)), 300, quality=80) is None


def test_a_very_long_picture_keeps_a_pixel_of_its_short_side() -> None:
    copy = pictures.smaller(encoded(scene(3000, 2)), 100, quality=80)
    assert copy is not None
    assert opened(copy[0]).size == (100, 1)


@pytest.mark.parametrize("mode", modes())
def test_a_smaller_copy_has_the_colours_the_detector_would_see(mode: str) -> None:
    kind = "PNG" if mode in {"L", "1", "P", "LA", "RGBA", "I;16"} else "TIFF"
    data = encoded(modes()[mode], kind)
    copy = pictures.smaller(data, 60, quality=95)
    assert copy is not None
    assert close(quarters(copy[0]), quarters(data))


def test_what_is_transparent_is_white_in_a_smaller_copy() -> None:
    copy = pictures.smaller(encoded(Image.new("RGBA", (40, 40), (10, 200, 30, 0))), 20, quality=80)
    assert copy is not None
    assert close(quarters(copy[0]), [WHITE] * 4)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF"])
def test_a_smaller_copy_carries_no_metadata(kind: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    options: dict[str, Any] = {"comment": b"Anna"} if kind in {"JPEG", "GIF"} else {}
    options |= {} if kind == "GIF" else {"icc_profile": profile, "dpi": (300, 300)}
    copy = pictures.smaller(encoded(scene(), kind, **options), 32, quality=80)
    assert copy is not None
    assert b"Anna" not in copy[0]
    assert set(opened(copy[0]).info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_quality_trades_bytes() -> None:
    noise = np.random.default_rng(7).integers(0, 255, (300, 400, 3), np.uint8)
    copies = [pictures.smaller(encoded(Image.fromarray(noise)), 200, q) for q in (30, 60, 90)]
    sizes = [len(copy[0]) for copy in copies if copy is not None]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 3


def test_a_smaller_copy_of_a_huge_jpeg_is_as_good_as_of_its_pixels() -> None:
    noise = np.random.default_rng(7).integers(0, 255, (30, 40, 3), np.uint8)
    large = Image.fromarray(noise).resize((1600, 1200), Image.Resampling.BICUBIC)
    ours, exact = (
        pictures.smaller(encoded(large, kind, **options), 150, quality=95)
        for kind, options in (("JPEG", {"quality": 95}), ("PNG", {}))
    )
    assert ours is not None
    assert exact is not None
    assert opened(ours[0]).size == opened(exact[0]).size == (150, 112)
    assert np.abs(np.asarray(opened(ours[0]), int) - np.asarray(opened(exact[0]))).mean() < 2


@pytest.mark.parametrize("orientation", HELD)
@pytest.mark.parametrize("max_side_px", [640, 333, 160])
def test_objects_in_a_smaller_copy_are_where_they_were(orientation: int, max_side_px: int) -> None:
    drawn = Image.new("RGB", (1000, 600), "white")
    boxes = {RED: (100, 60, 400, 330), GREEN: (450, 300, 620, 560), BLUE: (700, 30, 960, 200)}
    for colour, (left, top, right, bottom) in boxes.items():
        drawn.paste(colour, (left, top, right, bottom))
    copy = pictures.smaller(held(drawn, orientation, "JPEG", quality=95), max_side_px, quality=80)
    assert copy is not None
    pixels = pictures.decode(copy[0], InputSpec(300, 300)).pixels.astype(int)
    for colour, box in boxes.items():
        rows, columns = np.nonzero(np.abs(pixels - colour).max(axis=2) < 90)
        found = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / 300
        wanted = np.array(box) / np.array([1000, 600, 1000, 600])
        assert np.abs(found - wanted).max() < 0.015


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "GIF", "BMP"])
def test_as_png_is_the_picture_decode_sees(orientation: int, kind: str) -> None:
    noise = np.random.default_rng(7).integers(0, 255, (30, 40, 3), np.uint8)
    options: dict[str, Any] = {"comment": b"Anna"} if kind == "GIF" else {}
    data = held(Image.fromarray(noise), orientation, kind, **options)
    png = pictures.as_png(data)
    picture = opened(png)
    assert (picture.format, picture.mode) == ("PNG", "RGB")
    assert set(picture.info) <= {"exif"}
    for spec in (SPEC, InputSpec(20, 50, pad=0)):
        ours, theirs = pictures.decode(png, spec), pictures.decode(data, spec)
        assert (ours.width, ours.height) == (theirs.width, theirs.height)
        assert np.array_equal(ours.pixels, theirs.pixels)


@pytest.mark.parametrize("mode", modes())
def test_as_png_of_any_mode_is_the_picture_decode_sees(mode: str) -> None:
    kind = "PNG" if mode in {"L", "1", "P", "LA", "RGBA", "I;16"} else "TIFF"
    data = encoded(modes()[mode], kind)
    png = pictures.as_png(data)
    assert np.array_equal(pictures.decode(png, SPEC).pixels, pictures.decode(data, SPEC).pixels)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"hello", "not an image"),
        (encoded(scene(400, 400), "PNG")[:200], "damaged"),
        (encoded(Image.new("1", (2000, 2000))), "2000 x 2000 pixels is more than --max-pixels"),
    ],
)
def test_copies_fail_for_the_reasons_decoding_does(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        pictures.smaller(data, 100, quality=80, max_pixels=1_000_000)
    with pytest.raises(ImageError, match=reason):
        pictures.as_png(data, max_pixels=1_000_000)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_damage_makes_a_copy_fail_with_another_error(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"]))
    whole = bytearray(encoded(scene(), kind))
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(1, len(whole)))])
    with contextlib.suppress(ImageError):
        copy = pictures.smaller(cut, 20, quality=80, max_pixels=1_000_000)
        assert copy is None or max(opened(copy[0]).size) == 20
    with contextlib.suppress(ImageError):
        assert opened(pictures.as_png(cut, max_pixels=1_000_000)).mode == "RGB"
