"""What a PDF consists of, without a library: its objects are plain, only streams are packed."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Contents:
    """How many pages of which sizes in points, what fonts, and what else is drawn."""

    pages: int
    sizes: set[tuple[int, int]]
    fonts: int
    embedded: int
    pictures: int


def contents(data: bytes) -> Contents:
    """The contents of a PDF whose objects are not packed into streams."""
    assert data.startswith(b"%PDF-")
    assert b"/ObjStm" not in data
    boxes = re.findall(rb"/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)\s*\]", data)
    return Contents(
        pages=len(re.findall(rb"/Type\s*/Page\b(?!s)", data)),
        sizes={(round(float(width)), round(float(height))) for width, height in boxes},
        fonts=len(re.findall(rb"/Type\s*/FontDescriptor\b", data)),
        embedded=len(re.findall(rb"/FontFile[23]?\b", data)),
        pictures=len(re.findall(rb"/Subtype\s*/Image\b", data)),
    )
