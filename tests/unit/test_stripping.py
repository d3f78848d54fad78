import contextlib
import functools
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from offload.domain.errors import ImageError
from offload.domain.vision import InputSpec
from offload.drivers.images import pictures
from offload.drivers.images.stripping import strip
from tests.drawing import encoded, scene

SECRET = b"Anna was here"
LATITUDE = struct.pack(">6L", 55, 1, 40, 1, 34567, 1009)
THUMBNAIL = encoded(scene(16, 12), "JPEG", comment=SECRET)
XMP = b"http://ns.adobe.com/xap/1.0/\0"
SPECS = InputSpec(24, 40), InputSpec(32, 32, pad=0)


def assert_same_picture(stripped: bytes, data: bytes) -> None:
    for spec in SPECS:
        ours, theirs = pictures.decode(stripped, spec), pictures.decode(data, spec)
        assert (ours.width, ours.height, ours.covered) == (
            theirs.width,
            theirs.height,
            theirs.covered,
        )
        assert np.array_equal(ours.pixels, theirs.pixels)


def assert_clean(stripped: bytes) -> None:
    assert SECRET not in stripped
    assert LATITUDE not in stripped
    assert THUMBNAIL[-100:] not in stripped
    with Image.open(io.BytesIO(stripped)) as picture:
        assert set(picture.getexif()) <= {0x0112}
        assert picture.format != "MPO"


def photo(width: int = 90, height: int = 60) -> Image.Image:
    """Something with detail, so that pixels that are not the same differ."""
    noise = np.random.default_rng(3).integers(0, 255, (12, 18, 3), np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def exif(orientation: int | None = None, order: str = ">") -> bytes:
    """A camera's EXIF: a maker note, where it was, a thumbnail, and how it was held."""
    held = {} if orientation is None else {0x0112: (3, 1, struct.pack(order + "H", orientation))}
    where = directory({0x0002: (5, 3, LATITUDE)}, 8, order)
    tags = {
        0x010E: (2, len(SECRET), SECRET),
        0x8825: (4, 1, struct.pack(order + "L", 8)),
        0x927C: (7, len(THUMBNAIL), THUMBNAIL),
    }
    mark = b"MM" if order == ">" else b"II"
    start = 8 + len(where)
    header = mark + struct.pack(order + "HL", 42, start)
    return header + where + directory(tags | held, start, order)


def directory(tags: dict[int, tuple[int, int, bytes]], start: int, order: str) -> bytes:
    """TIFF's entries in the order of their tags, and behind them what they have no room for."""
    entries = apart = b""
    for tag, (kind, count, value) in sorted(tags.items()):
        at = struct.pack(order + "L", start + 2 + 12 * len(tags) + 4 + len(apart))
        apart += value if len(value) > 4 else b""
        entries += struct.pack(order + "HHL", tag, kind, count)
        entries += at if len(value) > 4 else value.ljust(4, b"\0")
    return struct.pack(order + "H", len(tags)) + entries + bytes(4) + apart


def segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">L", len(payload)) + kind + payload + checksum(kind + payload)


def checksum(data: bytes) -> bytes:
    return struct.pack(">L", zlib.crc32(data))


def with_chunks(png: bytes, *chunks: bytes, at_the_end: bool = False) -> bytes:
    cut = len(png) - 12 if at_the_end else 33
    return png[:cut] + b"".join(chunks) + png[cut:]


def riff(kind: bytes, payload: bytes) -> bytes:
    return kind + struct.pack("<L", len(payload)) + payload + bytes(len(payload) % 2)


def with_riff_chunks(webp: bytes, *chunks: bytes) -> bytes:
    return riff(b"RIFF", webp[8:] + b"".join(chunks))


@functools.cache
def variants() -> dict[str, bytes]:
    """Pictures of every format and mode, all with something to strip."""
    grey = photo().convert("L")
    deep = Image.fromarray(np.asarray(grey, np.uint16) * 257)
    see_through = photo().convert("RGBA")
    see_through.putalpha(grey)
    text = PngInfo()
    text.add_text("Author", SECRET, zip=False)
    jpeg: dict[str, Any] = {"comment": SECRET, "exif": b"Exif\0\0" + exif()}
    png: dict[str, Any] = {"pnginfo": text, "exif": exif()}
    frames: dict[str, Any] = {
        "save_all": True,
        "append_images": [photo().transpose(Image.Transpose.ROTATE_180)],
    }
    palette = photo().convert("P", palette=Image.Palette.ADAPTIVE)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return {
        "JPEG": encoded(photo(), "JPEG", **jpeg),
        "progressive JPEG": encoded(photo(), "JPEG", progressive=True, **jpeg),
        "JPEG with restarts": encoded(photo(), "JPEG", restart_marker_blocks=2, **jpeg),
        "JPEG of RGB": encoded(photo(), "JPEG", keep_rgb=True, **jpeg),
        "JPEG with a profile": encoded(photo(), "JPEG", icc_profile=profile, **jpeg),
        "grey JPEG": encoded(grey, "JPEG", **jpeg),
        "CMYK JPEG": encoded(photo().convert("CMYK"), "JPEG", **jpeg),
        "large JPEG": encoded(photo(1200, 900), "JPEG", **jpeg),
        "MPO": encoded(photo(), "MPO", **frames, **jpeg),
        "PNG": encoded(photo(), **png),
        "grey PNG": encoded(grey, **png),
        "1-bit PNG": encoded(grey.convert("1"), **png),
        "16-bit PNG": encoded(deep, **png),
        "transparent PNG": encoded(see_through, **png),
        "transparent grey PNG": encoded(see_through.convert("LA"), **png),
        "PNG with a transparent colour": encoded(grey, transparency=90, **png),
        "palette PNG": encoded(palette, **png),
        "transparent palette PNG": encoded(palette, transparency=bytes(range(200)), **png),
        "animated PNG": encoded(photo(), **frames, **png),
        "animated PNG apart from its picture": encoded(photo(), default_image=True, **frames),
        "WebP": encoded(photo(), "WEBP", exif=exif(), xmp=SECRET),
        "lossless WebP": encoded(photo(), "WEBP", exif=exif(), lossless=True),
        "plain WebP": encoded(photo(), "WEBP") + SECRET,
        "plain lossless WebP": encoded(photo(), "WEBP", lossless=True) + SECRET,
        "transparent WebP": encoded(see_through, "WEBP", exif=exif(), xmp=SECRET),
        "animated WebP": encoded(photo(), "WEBP", exif=exif(), **frames),
        "GIF": encoded(photo(), "GIF", comment=SECRET, **frames),
        "transparent GIF": encoded(palette, "GIF", transparency=3, comment=SECRET),
        "BMP": encoded(photo(), "BMP") + SECRET,
        "TIFF": encoded(photo(), "TIFF", description=SECRET.decode()),
        "CMYK TIFF": encoded(photo().convert("CMYK"), "TIFF", description=SECRET.decode()),
        "float TIFF": encoded(deep.convert("F"), "TIFF", description=SECRET.decode()),
    }


@pytest.mark.parametrize("name", variants())
def test_a_stripped_picture_is_the_same_picture_and_tells_nothing(name: str) -> None:
    data = variants()[name]
    stripped = strip(data)
    assert_same_picture(stripped, data)
    assert_clean(stripped)
    assert strip(stripped) == stripped


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_coded_pixels_are_taken_over_as_they_are(kind: str) -> None:
    data = encoded(photo(), kind, exif=b"Exif\0\0" + exif(6))
    start = data.rindex({"JPEG": b"\xff\xda", "PNG": b"IDAT", "WEBP": b"VP8 "}[kind])
    assert data[start : start + 1000] in strip(data)


def test_gif_bmp_and_tiff_become_png() -> None:
    for name in ("GIF", "BMP", "TIFF"):
        assert strip(variants()[name]).startswith(b"\x89PNG")


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_how_the_camera_was_held_survives_alone(orientation: int, order: str, kind: str) -> None:
    data = encoded(photo(), kind, exif=b"Exif\0\0" + exif(orientation, order))
    stripped = strip(data)
    assert_same_picture(stripped, data)
    assert_clean(stripped)
    with Image.open(io.BytesIO(stripped)) as picture:
        assert picture.format == kind
        turned = 2 <= orientation <= 8
        assert dict(picture.getexif()) == ({0x0112: orientation} if turned else {})
        assert len(picture.info.get("exif", b"")) <= 32, "no room for anything else"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_is_turned_for_good(orientation: int) -> None:
    tags = Image.Exif()
    tags[0x0112] = orientation
    data = encoded(photo(), "TIFF", exif=tags)
    assert_same_picture(strip(data), data)
    assert_clean(strip(data))


def orientation_in_xmp(value: int) -> bytes:
    return f'<x tiff:Orientation="{value}" who="{SECRET.decode()}"/>'.encode()


@pytest.mark.parametrize("given_exif", [b"", exif(), exif(3)])
def test_xmp_says_how_the_camera_was_held_where_exif_does_not(given_exif: bytes) -> None:
    xmp = orientation_in_xmp(6)
    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", xmp.decode())
    packed = PngInfo()
    packed.add_itxt("XML:com.adobe.xmp", xmp.decode(), zip=True)
    prefixed = {"exif": b"Exif\0\0" + given_exif} if given_exif else {}
    for data in (
        with_segments(encoded(photo(), "JPEG", **prefixed), segment(0xE1, XMP + xmp)),
        encoded(photo(), "WEBP", xmp=xmp, **prefixed),
        encoded(photo(), "PNG", pnginfo=text, **prefixed),
        encoded(photo(), "PNG", pnginfo=packed, **prefixed),
    ):
        assert_same_picture(strip(data), data)
        assert_clean(strip(data))
        turned = pictures.decode(data, SPECS[0])
        assert (turned.width < turned.height) == (given_exif != exif(3))


def test_exif_wherever_a_png_may_carry_it_is_heard() -> None:
    plain = encoded(photo())
    prefixed = b"Exif\0\0" + exif(6)
    hexed = b"Raw profile type exif\0\nexif\n%8d\n" % len(prefixed) + prefixed.hex().encode()
    for data in (
        with_chunks(plain, chunk(b"eXIf", exif(6)), at_the_end=True),
        with_chunks(plain, chunk(b"tEXt", hexed)),
        with_chunks(plain, chunk(b"tEXt", b"exif\0" + exif(6))),
    ):
        assert pictures.decode(data, SPECS[0]).height == 90
        assert_same_picture(strip(data), data)
        assert_clean(strip(data))


def test_a_png_that_contradicts_itself_lies_as_decode_has_it() -> None:
    frames: dict[str, Any] = {"save_all": True, "append_images": [photo().rotate(180)]}
    late = chunk(b"eXIf", exif(3))
    for data in (
        with_chunks(encoded(photo(), exif=exif(6)), late, at_the_end=True),
        with_chunks(encoded(photo(), "PNG", **frames), late, at_the_end=True),
    ):
        assert_same_picture(strip(data), data)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_exif_that_was_cut_off_is_heard_as_far_as_decode_reads(form: str) -> None:
    whole = exif(6)
    for cut in (whole[:40], whole[:70], whole[:100], whole[:-9]):
        data = encoded(photo(), form, exif=b"Exif\0\0" + cut)
        assert_same_picture(strip(data), data)
        assert_clean(strip(data))


def test_exif_that_is_marked_twice_is_heard() -> None:
    data = with_segments(encoded(photo(), "JPEG"), segment(0xE1, b"Exif\0\0" * 2 + exif(6)))
    assert pictures.decode(data, SPECS[0]).height == 90
    assert_same_picture(strip(data), data)


def test_a_jpeg_begins_as_jfif_prescribes_and_a_webp_claims_only_what_it_has() -> None:
    jpeg = strip(encoded(photo(), "JPEG", exif=b"Exif\0\0" + exif(6)))
    assert jpeg[2:4] == b"\xff\xe0"
    assert jpeg[20:22] == b"\xff\xe1"
    silent, turned = (
        strip(encoded(photo(), "WEBP", exif=told, xmp=SECRET)) for told in (exif(), exif(6))
    )
    assert silent[20] & 0x0C == 0
    assert turned[20] & 0x0C == 0x08


def test_exif_in_several_segments_is_read_as_one() -> None:
    whole = exif(8)
    parts = (segment(0xE1, b"Exif\0\0" + part) for part in (whole[:31], whole[31:]))
    data = with_segments(encoded(photo(), "JPEG"), *parts)
    assert pictures.decode(data, SPECS[0]).height == 90
    assert_same_picture(strip(data), data)


@pytest.mark.parametrize(
    ("kind", "count", "value"),
    [
        (1, 1, b"\6"),
        (2, 2, b"6\0"),
        (3, 0, b"\0\6"),
        (3, 1, b"\1\6"),
        (4, 1, struct.pack(">L", 6)),
        (5, 1, struct.pack(">LL", 12, 2)),
        (7, 1, b"\6"),
        (8, 1, b"\0\6"),
        (11, 1, struct.pack(">f", 6)),
        (99, 1, b"\0\6"),
    ],
)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_an_odd_orientation_is_what_decode_takes_it_for(
    kind: int, count: int, value: bytes, form: str
) -> None:
    odd = b"MM\0*\0\0\0\x08" + directory({0x0112: (kind, count, value)}, 8, ">")
    data = encoded(photo(), form, exif=b"Exif\0\0" + odd)
    assert_same_picture(strip(data), data)
    assert_clean(strip(data))


def test_nothing_hides_in_the_segments_of_a_jpeg() -> None:
    jpeg = encoded(photo(), "JPEG", exif=b"Exif\0\0" + exif(6))
    thumbnail = b"JFIF\0\1\2\0\0\1\0\1" + bytes((4, 4)) + (SECRET * 4)[:48]
    index = {
        0xB000: (7, 4, b"0100"),
        0xB001: (4, 1, bytes((0, 0, 0, 1))),
        0xB002: (7, 16, bytes(16)),
    }
    hiding = [
        segment(0xE0, thumbnail),
        segment(0xE0, b"JFXX\0\x10" + THUMBNAIL),
        segment(0xE1, XMP + SECRET),
        segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + SECRET),
        segment(0xE2, b"MPF\0MM\0*\0\0\0\x08" + directory(index, 8, ">") + SECRET),
        segment(0xE2, b"FPXR\0" + SECRET),
        segment(0xED, b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + SECRET),
        segment(0xEE, b"Adobe\0\x64\0\0\0\0\1" + SECRET),
        segment(0xFE, SECRET),
        *(segment(0xE0 + n, SECRET) for n in range(16)),
        b"\xff\xff\xff\xfe\0\0",
    ]
    behind = jpeg.rindex(b"\xff\xc4")
    data = with_segments(jpeg[:behind], *hiding) + SECRET + b"".join(hiding) + jpeg[behind:]
    stripped = strip(data)
    assert_same_picture(stripped, data)
    assert_clean(stripped)
    assert stripped.count(b"\xff\xd8") == 1, "no thumbnail"
    assert b"\xff\xee" in stripped, "Adobe's segment says how colours are coded"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_nothing_behind_the_picture_stays(kind: str) -> None:
    plain = strip(encoded(photo(), kind))
    video = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 9 + encoded(photo(), "JPEG")
    assert strip(plain + video) == plain


def test_nothing_hides_between_the_scans_of_a_jpeg() -> None:
    jpeg = encoded(photo(), "JPEG", progressive=True)
    second_scan = jpeg.index(b"\xff\xda", jpeg.index(b"\xff\xda") + 2)
    hidden = segment(0xFE, SECRET) + segment(0xE1, b"Exif\0\0" + exif(6)) + SECRET
    data = jpeg[:second_scan] + hidden + jpeg[second_scan:]
    assert strip(data) == strip(jpeg)
    assert_same_picture(strip(data), data)


def test_nothing_hides_in_the_chunks_of_a_png() -> None:
    plain = encoded(photo())
    hiding = [
        chunk(b"eXIf", exif()),
        chunk(b"tEXt", b"Comment\0" + SECRET),
        chunk(b"zTXt", b"Comment\0\0" + zlib.compress(SECRET)),
        chunk(b"iTXt", b"Comment\0\0\0\0\0" + SECRET),
        chunk(b"tIME", SECRET[:7]),
        chunk(b"prVt", SECRET),
    ]
    data = with_chunks(with_chunks(plain, *hiding), *hiding, at_the_end=True) + SECRET
    assert strip(data) == strip(plain)
    assert SECRET[:7] not in strip(data)
    assert_same_picture(strip(data), data)


def test_what_a_png_says_of_its_colours_stays() -> None:
    colours = [
        chunk(b"gAMA", struct.pack(">L", 45455)),
        chunk(b"cHRM", bytes(32)),
        chunk(b"sRGB", b"\0"),
        chunk(b"pHYs", struct.pack(">LLB", 2835, 2835, 1)),
    ]
    data = with_chunks(encoded(photo()), *colours)
    assert strip(data) == data


def test_nothing_hides_in_the_chunks_of_a_webp() -> None:
    hiding = [riff(b"EXIF", exif()), riff(b"XMP ", SECRET), riff(b"prvt", SECRET)]
    for options in ({}, {"save_all": True, "append_images": [photo().rotate(180)]}):
        webp = encoded(photo(), "WEBP", exif=exif(5), **options)
        data = with_riff_chunks(webp, *hiding) + SECRET
        assert strip(data) == strip(webp)
        assert_same_picture(strip(data), data)


def test_nothing_hides_in_the_frames_of_an_animated_webp() -> None:
    webp = encoded(photo(), "WEBP", save_all=True, append_images=[photo().rotate(180)])
    at = webp.index(b"ANMF")
    (length,) = struct.unpack_from("<L", webp, at + 4)
    frame = webp[at + 8 : at + 8 + length] + riff(b"prvt", SECRET)
    data = with_riff_chunks(webp[:at], riff(b"ANMF", frame), webp[at + 8 + length :])
    assert strip(data) == strip(webp)
    assert_same_picture(strip(data), data)


def test_a_png_whose_first_frame_is_a_part_of_it_is_what_decode_shows() -> None:
    small = encoded(photo(30, 20))
    pixels = small[33:-12]
    control = struct.pack(">LLLLLHHBB", 0, 30, 20, 5, 7, 1, 1, 0, 0)
    header = struct.pack(">LL", 90, 60) + small[24:29]
    frames = chunk(b"acTL", struct.pack(">LL", 1, 0)) + chunk(b"fcTL", control)
    data = small[:8] + chunk(b"IHDR", header) + frames + pixels + chunk(b"IEND", b"")
    assert_same_picture(strip(data), data)


def test_a_transparent_colour_told_too_late_counts_as_it_does_for_decode() -> None:
    grey = photo().convert("L").quantize(4)
    data = with_chunks(encoded(grey), chunk(b"tRNS", b"\x80\0\x40"), at_the_end=True)
    assert_same_picture(strip(data), data)


def test_a_jpeg_that_breaks_off_but_can_be_decoded_becomes_a_png() -> None:
    jpeg = encoded(photo(), "JPEG", exif=b"Exif\0\0" + exif(6))
    data = jpeg[:-2] + b"the end got lost, and much else came instead"
    assert strip(data).startswith(b"\x89PNG")
    assert_same_picture(strip(data), data)
    assert b"lost" not in strip(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"hello", "not an image"),
        (b"\xff\xd8\xff", "not an image"),
        (b"\xff\xd8\xff\xd9", "damaged|not an image"),
        (b"\xff\xd8" + segment(0xDA, b"") + b"\xff\xd9", "damaged|not an image"),
        (b"\x89PNG\r\n\x1a\n", "not an image"),
        (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", bytes(13)), "not an image"),
        (b"RIFF\x04\0\0\0WEBP", "not an image"),
        (riff(b"RIFF", b"WEBP" + riff(b"VP8X", bytes(10))), "damaged|not an image"),
        (encoded(photo(), "JPEG")[:1000], "damaged"),
        (encoded(photo(), "PNG")[:1000], "damaged"),
        (encoded(photo(), "WEBP")[:500], "damaged|not an image"),
        (encoded(photo(), "BMP")[:1000], "damaged"),
    ],
)
def test_what_is_no_picture_is_an_image_error_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        strip(data)


def test_a_decompression_bomb_is_refused_before_it_is_decoded() -> None:
    bomb = encoded(Image.new("1", (4000, 4000)), "GIF")
    with pytest.raises(ImageError, match="4000 x 4000 pixels is more than --max-pixels 1000"):
        strip(bomb, max_pixels=1000)


@pytest.mark.parametrize(
    "many",
    [
        b"\xff" * 4_000_000,
        b"\xff\0" * 2_000_000,
        b"\xff\xd0" * 200_000,
        segment(0xE1, b"Exif\0\0x") * 100_000,
        segment(0xE1, b"Exif\0\0" + b"MM\0*\0\0\0\x08\xff\xff" + bytes(60_000)) * 60,
        segment(0xFE, b"") * 200_000,
    ],
    ids=["fill", "stuffing", "restarts", "exif", "large exif", "comments"],
)
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_a_jpeg_of_very_many_parts_is_walked_once(many: bytes) -> None:
    jpeg = encoded(photo(), "JPEG")
    assert strip(with_segments(jpeg, many)) == strip(jpeg)


def test_a_png_and_a_webp_of_very_many_chunks_are_walked_once() -> None:
    png = encoded(photo())
    assert strip(with_chunks(png, chunk(b"tEXt", b"a\0b") * 100_000)) == strip(png)
    webp = encoded(photo(), "WEBP", exif=exif())
    assert strip(with_riff_chunks(webp, riff(b"prvt", b"") * 100_000)) == strip(webp)


@st.composite
def carriers(draw: st.DrawFn) -> bytes:
    """Pictures of any small size, held in any way, with metadata in any of the usual places."""
    width, height = draw(st.integers(1, 50)), draw(st.integers(1, 50))
    mode = draw(st.sampled_from(["RGB", "L", "CMYK", "RGBA", "P", "1"]))
    kind = draw(st.sampled_from(["JPEG", "MPO", "PNG", "WEBP"]))
    allowed = {"JPEG": "RGB L CMYK", "MPO": "RGB L", "WEBP": "RGB RGBA", "PNG": "RGB L RGBA P 1"}
    picture = photo(width, height).convert(mode if mode in allowed[kind].split() else "RGB")
    held = draw(st.none() | st.integers(0, 9))
    options: dict[str, Any] = {"exif": b"Exif\0\0" + exif(held, draw(st.sampled_from("<>")))}
    if kind in {"JPEG", "MPO"}:
        options["progressive"] = draw(st.booleans())
        options["quality"] = draw(st.integers(10, 95))
    if kind == "WEBP":
        options["lossless"] = draw(st.booleans())
        options["xmp"] = orientation_in_xmp(draw(st.integers(0, 9)))
    if kind != "JPEG" and draw(st.booleans()):
        options |= {"save_all": True, "append_images": [photo(width, height)]}
    data = encoded(picture, kind, **options)
    if kind in {"JPEG", "MPO"}:
        said = st.tuples(st.sampled_from([*range(0xE1, 0xEE), 0xEF, 0xFE]), st.binary(max_size=20))
        data = with_segments(data, *(segment(n, SECRET + b) for n, b in draw(st.lists(said))))
    if kind == "PNG":
        texts = draw(st.lists(st.sampled_from([b"tEXt", b"prVt"])))
        data = with_chunks(data, *(chunk(text, b"Author\0" + SECRET) for text in texts))
    return data + draw(st.sampled_from([b"", SECRET]))


@settings(max_examples=200, deadline=None)
@given(carriers())
def test_any_stripped_picture_is_the_same_picture(data: bytes) -> None:
    stripped = strip(data)
    assert_same_picture(stripped, data)
    assert_clean(stripped)


@settings(max_examples=300, deadline=None)
@given(carriers(), st.data())
def test_damage_is_an_image_error_or_leaves_the_picture_decode_sees(
    carrier: bytes, data: st.DataObject
) -> None:
    damaged = bytearray(carrier)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        damaged[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    received = bytes(damaged[: data.draw(st.integers(1, 10_000))])
    try:
        pictures.decode(received, SPECS[0], max_pixels=1_000_000)
    except ImageError:
        with contextlib.suppress(ImageError):
            strip(received, max_pixels=1_000_000)
        return
    stripped = strip(received, max_pixels=1_000_000)
    broken_off = received.startswith(b"\xff\xd8") and stripped.startswith(b"\x89PNG")
    if not broken_off:
        assert_same_picture(stripped, received)


def test_real_photos_stay_the_same(photos: Path) -> None:
    files = sorted(photos.glob("*.jpg"))
    assert len(files) == 128
    for file in files:
        data = file.read_bytes()
        stripped = strip(data)
        assert len(stripped) <= len(data)
        ours, theirs = (pictures.decode(d, InputSpec(300, 300)) for d in (stripped, data))
        assert (ours.width, ours.height) == (theirs.width, theirs.height)
        assert np.array_equal(ours.pixels, theirs.pixels)
