"""A picture without what it tells besides: where and when it was taken, by whom, with what.

JPEG, PNG and WebP are taken apart and put together again from what a decoder needs; their pixels
are never decoded. Of the metadata only the EXIF orientation stays, in an EXIF of its own. Every
other format, animations and what cannot be taken apart become a PNG of their first frame.
"""

import struct
import zlib

from offload.drivers.images import pictures, pieces


def strip(data: bytes, max_pixels: int = pictures.MAX_PIXELS) -> bytes:
    """The same picture, to the last bit of what `pictures.decode` gives, and nothing besides.

    The exception is a JPEG that breaks off: where it can be decoded at all, it becomes a PNG, which
    is not scaled down in the way a JPEG is. An ICC profile stays as it is. `max_pixels` bounds what
    is decoded to become a PNG.

    Raises:
        ImageError: the bytes are no picture of a known format, or one that must become a PNG and
            is damaged or too large.
    """
    try:
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg(data)
        if data.startswith(pieces.PNG_SIGNATURE):
            return _png(data)
        if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            return _webp(data)
    except (pieces.CannotWalkError, struct.error):
        pass
    return pictures.as_png(data, max_pixels)


def _exif(orientation: int) -> bytes:
    """A TIFF header and a directory of one entry."""
    entry = struct.pack(">HHLHH", pictures.ORIENTATION_TAG, 3, 1, orientation, 0)
    return struct.pack(">2sHLH", b"MM", 42, 8, 1) + entry + bytes(4)


_APP0, _APP1, _APP2, _APP14 = 0xE0, 0xE1, 0xE2, 0xEE
_DECODING = {*pieces.FRAMES, 0xC4, 0xCC, 0xDB, 0xDC, 0xDD, pieces.SOS}
_SAYING = {*pieces.FRAMES, _APP1, pieces.SOS}
_JFIF_BYTES, _ADOBE_BYTES = 14, 12


def _jpeg(data: bytes) -> bytes:
    kept: list[bytes] = []
    header = [b"\xff\xd8"]
    markers: set[int] = set()
    for marker, payload, scan in pieces.segments(data):
        if pieces.SOS not in markers and marker in _SAYING:
            header.append(_segment(marker, payload))
        markers.add(marker)
        if (needed := _needed(marker, payload)) is not None:
            kept += _segment(marker, needed), scan
    if pieces.SOS not in markers or not markers & pieces.FRAMES:
        raise pieces.CannotWalkError
    if (orientation := pictures.orientation(b"".join(header))) != 1:
        behind_jfif = 2 if kept[0][1] == _APP0 else 0
        kept.insert(behind_jfif, _segment(_APP1, b"Exif\0\0" + _exif(orientation)))
    return b"".join((b"\xff\xd8", *kept, b"\xff\xd9"))


def _needed(marker: int, payload: bytes) -> bytes | None:
    """What of a segment bears on the pixels and their colours; None if nothing does."""
    if marker in _DECODING or (marker == _APP2 and payload.startswith(b"ICC_PROFILE\0")):
        return payload
    if marker == _APP0 and payload.startswith(b"JFIF\0") and len(payload) >= _JFIF_BYTES:
        return payload[: _JFIF_BYTES - 2] + bytes(2)  # a thumbnail of no width and no height
    if marker == _APP14 and payload.startswith(b"Adobe") and len(payload) >= _ADOBE_BYTES:
        return payload[:_ADOBE_BYTES]
    return None


def _segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


_PNG_KEPT = {b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT", b"bKGD", b"pHYs"}
_PNG_SAYING = {b"IDAT", b"eXIf", b"tEXt", b"zTXt", b"iTXt"}
_PNG_ANIMATED = {b"acTL", b"fcTL", b"fdAT", b"DDAT"}


def _png(data: bytes) -> bytes:
    chunks = list(pieces.png_chunks(data))
    kinds = [kind for kind, _ in chunks]
    if kinds[:1] != [b"IHDR"] or kinds.count(b"IHDR") > 1 or b"IDAT" not in kinds:
        raise pieces.CannotWalkError
    first = kinds.index(b"IDAT")
    last = next((n for n in range(first, len(kinds)) if kinds[n] != b"IDAT"), len(kinds))
    # Pillow heeds a transparent colour wherever it stands.
    if _PNG_ANIMATED & {*kinds} or b"tRNS" in kinds[last:]:
        raise pieces.CannotWalkError
    head, pixels, tail = chunks[:first], chunks[first:last], chunks[last:]
    orientation = _png_orientation(head, tail)
    parts = [_png_chunk(b"eXIf", _exif(orientation))] if orientation != 1 else []
    parts += [chunk for chunk in head if chunk[0] in _PNG_KEPT]
    return _put_together([head[0], *parts, *pixels])


def _png_orientation(head: list[pieces.Chunk], tail: list[pieces.Chunk]) -> int:
    """What all but the pixels say, asked of a PNG of one pixel: else Pillow decodes them all."""
    header = _png_chunk(b"IHDR", struct.pack(">LL5B", 1, 1, 8, 0, 0, 0, 0))
    pixel = _png_chunk(b"IDAT", zlib.compress(bytes(2)))
    saying = [chunk for chunk in (*head, pixel, *tail) if chunk[0] in _PNG_SAYING]
    return pictures.orientation(_put_together([header, *saying]))


def _put_together(chunks: list[pieces.Chunk]) -> bytes:
    whole = (*chunks, _png_chunk(b"IEND", b""))
    sized = (struct.pack(">L", len(body) - 4) + kind + body for kind, body in whole)
    return pieces.PNG_SIGNATURE + b"".join(sized)


def _png_chunk(kind: bytes, payload: bytes) -> pieces.Chunk:
    return kind, payload + struct.pack(">L", zlib.crc32(kind + payload))


_WEBP_PIXELS = {b"VP8 ", b"VP8L"}
_WEBP_FRAME = {*_WEBP_PIXELS, b"ALPH"}
_SAYS_EXIF, _SAYS_XMP = 0x08, 0x04
_VP8X_BYTES = 18


def _webp(data: bytes) -> bytes:
    (size,) = struct.unpack_from("<L", data, 4)
    chunks = list(pieces.webp_chunks(data))
    kinds = {kind for kind, _ in chunks}
    if 8 + size > len(data) or b"ANMF" in kinds or not kinds & _WEBP_PIXELS:
        raise pieces.CannotWalkError
    kind, first = chunks[0]
    if kind in _WEBP_FRAME:
        return _riff(b"RIFF", b"WEBP" + first)
    if kind != b"VP8X" or len(first) < _VP8X_BYTES:
        raise pieces.CannotWalkError
    kept = [chunk for kind, chunk in chunks[1:] if kind in {*_WEBP_FRAME, b"ICCP"}]
    says = first[8] & ~(_SAYS_EXIF | _SAYS_XMP)
    if (orientation := pictures.orientation(data)) != 1:
        says |= _SAYS_EXIF
        kept.append(_riff(b"EXIF", _exif(orientation)))
    header = _riff(b"VP8X", bytes((says, 0, 0, 0)) + first[12:_VP8X_BYTES])
    return _riff(b"RIFF", b"".join((b"WEBP", header, *kept)))


def _riff(kind: bytes, payload: bytes) -> bytes:
    return kind + struct.pack("<L", len(payload)) + payload
