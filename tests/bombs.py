"""Small files that take gigabytes or hours, made by hand."""

import io
import struct
import zlib

from PIL import Image

PNG = b"\x89PNG\r\n\x1a\n"


def webp(side_px: int) -> bytes:
    """One colour, in less than 40 bytes."""
    header = [(0x2F, 8), (side_px - 1, 14), (side_px - 1, 14), (1, 1), (0, 6)]
    code_of_one_symbol = [(1, 1), (0, 1), (0, 1), (0, 1)]
    number = place = 0
    for value, bits in header + code_of_one_symbol * 5:
        number |= value << place
        place += bits
    stream = number.to_bytes((place + 15) // 16 * 2, "little")
    body = b"WEBPVP8L" + struct.pack("<L", len(stream)) + stream
    return b"RIFF" + struct.pack("<L", len(body)) + body


def png(side_px: int, *between: bytes) -> bytes:
    """Two colours, one of them transparent, and chunks `between`."""
    pixels = zlib.compress(bytes((side_px + 7) // 8 + 1) * side_px, 9)
    header = struct.pack(">LL5B", side_px, side_px, 1, 3, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"PLTE", bytes(6)), chunk(b"tRNS", b"\x80"), *between]
    return PNG + b"".join([*parts, chunk(b"IDAT", pixels), chunk(b"IEND", b"")])


def chunk(kind: bytes, payload: bytes) -> bytes:
    """A piece of a PNG."""
    checksum = struct.pack(">L", zlib.crc32(kind + payload))
    return struct.pack(">L", len(payload)) + kind + payload + checksum


def jpeg(scans: int) -> bytes:
    """A progressive JPEG of that many scans, all but the first without a coefficient."""
    out = io.BytesIO()
    Image.new("L", (64, 64)).save(out, "JPEG", progressive=True)
    data = out.getvalue()
    first = data.index(b"\xff\xda")
    empty = b"\xff\xda" + struct.pack(">H6B", 8, 1, 1, 0, 1, 63, 0) + bytes(8)
    table = b"\xff\xc4" + struct.pack(">HB", 20, 0x10) + bytes([1] + [0] * 16)
    return data[: first + 10] + table + empty * (scans - 1) + b"\xff\xd9"
