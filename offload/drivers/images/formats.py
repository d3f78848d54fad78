"""What a file is by its first bytes, which of them are read, and whether a JPEG has its last."""

import re
from importlib.util import find_spec

READS_HEIF = find_spec("pillow_heif") is not None
NEEDS_HEIF = "to read HEIC: pip install 'offload[heif]'"
"""Said where a file is left for want of it."""

JPEG_END = b"\xff\xd9"
_JPEG, _SCAN = b"\xff\xd8\xff", b"\xff\xda"
_MOST_SEGMENTS = 1000

_HEIC = "HEIC", rb"....ftyp(he[iv][cxms]|mi[af]1|msf1)"
_READ = {
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG",
    "WebP": rb"RIFF....WEBP",
    "BMP": rb"BM",
    "GIF": rb"GIF8",
    "TIFF": rb"II[*+]\0|MM\0[*+]",
    "AVIF": rb"....ftypavi[fs]",
    "JPEG 2000": rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51",
    "PPM": rb"P[1-6]\s",
} | ({_HEIC[0]: _HEIC[1]} if READS_HEIF else {})
_OTHER = {
    _HEIC[0]: _HEIC[1],
    "JPEG XL": rb"\xff\x0a|\0\0\0\x0cJXL ",
    "a video": rb"....ftyp|\x1a\x45\xdf\xa3|RIFF....AVI ",
    "Photoshop": rb"8BPS",
    "PDF": rb"%PDF",
    "SVG": rb"(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?(<!DOCTYPE svg[^>]*>\s*)?<svg",
    "a web page": rb"\s*<(!doctype )?html",
    "a Git LFS pointer; run git lfs pull": rb"version https://git-lfs",
}


def is_heif(data: bytes) -> bool:
    """Whether it is a HEIC picture by its brand."""
    return _named(_OTHER, data) == _HEIC[0]


def is_read(data: bytes) -> bool:
    """Whether it begins as one of the formats that are read."""
    return _named(_READ, data) is not None


def unknown(data: bytes) -> str:
    """The reason why a file that is none of the formats is not read."""
    if name := _named(_READ, data):
        return f"not an image that can be read: {name}, damaged or of an unusual kind"
    name = _named(_OTHER, data)
    hint = f"; {NEEDS_HEIF}" if name == _HEIC[0] else ""
    return f"{f'{name}, ' if name else ''}not an image of a known format ({', '.join(_READ)}){hint}"


def _named(kinds: dict[str, bytes], data: bytes) -> str | None:
    head = data[:512]
    flags = re.DOTALL | re.IGNORECASE
    found = (name for name, begins in kinds.items() if re.match(begins, head, flags))
    return next(found, None)


def breaks_off(data: bytes) -> bool:
    """Whether a JPEG ends within its pixels, if only its last byte is missing."""
    if not data.startswith(_JPEG) or data.endswith(JPEG_END):
        return False
    at = 2
    for _ in range(_MOST_SEGMENTS):
        if data[at : at + 2] == _SCAN:
            return data.find(JPEG_END, at) < 0
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return False
