"""What picture files are put together of and take to decode, seen without decoding a pixel."""

import math
import re
import struct
from collections.abc import Iterator

from offload.domain.errors import ImageError
from offload.drivers.images import formats

MOST_SCANS = 100
"""A progressive JPEG has about ten; each costs its decoder a pass over the whole picture."""

_MOST_PIECES, _USUAL_BYTES = 1000, 1000
"""So many pieces of any size, and one more for each so many bytes of the file."""

JPEGS = {"JPEG", "MPO"}
_PIXEL_BYTES = {"1": 8, "L": 8, "RGB": 8, "I;16": 20, "I": 20, "F": 20}
_KIND_PIXEL_BYTES = {"WEBP": 20, "JPEG2000": 20, "AVIF": 12, "HEIF": 12}
_OTHER_PIXEL_BYTES, _COEFFICIENT_BYTES = 12, 8
"""Memory of a pixel until it is in a detector's input, by Pillow's mode or format, measured; and
what a JPEG of several scans takes besides.
"""

Chunk = tuple[bytes, bytes]
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
SOS, _EOI = 0xDA, 0xD9
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_SEGMENTS = {*range(0xC0, 0xD0), *range(SOS, 0xDE), *range(0xE0, 0xF0), 0xFE} - {0xC8}
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD8)}

# Decoders skip what stands between two segments, and within a scan stop at no marker but these.
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_END_OF_SCAN = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")
_KIND = re.compile(rb"\w{4}")

_PLAIN = re.compile(rb"P6\s\d{1,9}\s\d{1,9}\s255\s")
"""A PPM that is nothing but a byte for each colour of each pixel, as arrays become."""


class CannotWalkError(Exception):
    """Not put together as the format prescribes, or in a way that cannot be kept."""


def scans(data: bytes) -> int | None:
    """How often a decoder passes over the pixels of a file; None if that cannot be told, or more
    than the pixels' number decides how long decoding takes.

    Raises:
        ImageError: there are more passes or pieces than any picture needs.
    """
    most = _MOST_PIECES + len(data) // _USUAL_BYTES
    try:
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg_scans(data, most)
        if data.startswith(PNG_SIGNATURE):
            _bounded(png_chunks(data), most)
        elif data.startswith(b"RIFF"):
            _bounded(webp_chunks(data), most)
        elif formats.is_read(data) and not _PLAIN.match(data):
            return None
    except (CannotWalkError, struct.error):
        return None
    return 1


def _jpeg_scans(data: bytes, most: int) -> int | None:
    count, position = 0, 2
    for number, (marker, payload, scan) in enumerate(segments(data)):
        if not count and data[position : position + 2] != bytes((0xFF, marker)):
            return None  # Pillow looks at each byte that stands between two segments
        position += 4 + len(payload) + len(scan)
        count += marker == SOS
        if count > MOST_SCANS:
            raise ImageError(f"damaged image: more than {MOST_SCANS} scans")
        _check(number, most)
    return count


def _bounded(chunks: Iterator[Chunk], most: int) -> None:
    for number, _ in enumerate(chunks):
        _check(number, most)


def _check(number: int, most: int) -> None:
    if number > most:
        raise ImageError(f"damaged image: more than {most} pieces in so small a file")


def weight_bytes(
    kind: str | None, mode: str, size: tuple[int, int], scans: int | None, least_px: int
) -> int:
    """About the memory that decoding takes, at most, by Pillow's words for format and mode. A JPEG
    may be decoded at a reduced scale down to sides of `least_px`, unless that is 0.
    """
    pixels = math.prod(size)
    if kind not in JPEGS:
        others = _PIXEL_BYTES.get(mode, _OTHER_PIXEL_BYTES)
        return pixels * _KIND_PIXEL_BYTES.get(kind or "", others)
    scale = min(size) // least_px if least_px else 1
    scaled = next((step for step in (8, 4, 2) if step <= scale), 1)
    whole = 0 if scans == 1 else _COEFFICIENT_BYTES
    return pixels * whole + pixels // scaled**2 * _PIXEL_BYTES["RGB"]


def segments(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Marker, payload and, of a scan, the coded pixels behind it; up to the end of the image.

    Raises:
        CannotWalkError, struct.error: it breaks off, or is no JPEG.
    """
    position = 2
    while True:
        position = _seek(_MARKER, data, position) + 2
        marker = data[position - 1]
        if marker == _EOI:
            return
        if marker in _WITHOUT_LENGTH:
            continue
        # The length counts its own two bytes; decoders read on behind them even if it says less.
        end = position + max(2, *struct.unpack_from(">H", data, position))
        if marker not in _SEGMENTS or end > len(data):
            raise CannotWalkError
        payload = data[position + 2 : end]
        position = _seek(_END_OF_SCAN, data, end) if marker == SOS else end
        yield marker, payload, data[end:position]


def _seek(pattern: re.Pattern[bytes], data: bytes, position: int) -> int:
    found = pattern.search(data, position)
    if found is None:
        raise CannotWalkError
    return found.start()


def png_chunks(data: bytes) -> Iterator[Chunk]:
    """Kind and payload with checksum, up to the end or where they break off.

    Raises:
        CannotWalkError: they break off within the pixels.
    """
    position = len(PNG_SIGNATURE)
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">L4s", data, position)
        end = position + 12 + length
        if kind == b"IDAT" and end > len(data):
            raise CannotWalkError
        if kind == b"IEND" or not _KIND.match(kind) or end > len(data):
            return
        yield kind, data[position + 8 : end]
        position = end


def webp_chunks(data: bytes) -> Iterator[Chunk]:
    """Kind and whole chunk; of the byte that makes it even, a decoder may take note.

    Raises:
        CannotWalkError, struct.error: they break off.
    """
    data = data[12 : 8 + struct.unpack_from("<L", data, 4)[0]]
    position = 0
    while position + 8 <= len(data):
        kind, length = struct.unpack_from("<4sL", data, position)
        end = position + 8 + length
        if end > len(data):
            raise CannotWalkError
        yield kind, data[position : end + length % 2].ljust(8 + length + length % 2, b"\0")
        position = end + length % 2
