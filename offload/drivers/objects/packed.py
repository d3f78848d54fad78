"""Lines of JSON in a compressed object."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

_LEVEL = 3
_MOST_LINE_BYTES = 2**26


class Packing:
    """Lines that are compressed as they come, so that only what they came to is in memory."""

    def __init__(self) -> None:
        from zstandard import ZstdCompressor

        self._stream = ZstdCompressor(level=_LEVEL).compressobj()
        self._parts: list[bytes] = []

    def add(self, line: bytes) -> None:
        """One line more, without its end."""
        self._parts.append(self._stream.compress(line + b"\n"))

    def packed(self) -> bytes:
        """All of them; nothing can be added any more."""
        self._parts.append(self._stream.flush())
        return b"".join(self._parts)


def packed(lines: Iterable[bytes]) -> bytes:
    """Those lines as they are in an object."""
    packing = Packing()
    for line in lines:
        packing.add(line)
    return packing.packed()


def lines(data: bytes) -> Iterator[bytes]:
    """The lines of an object, one at a time.

    Raises:
        ValueError: it is damaged.
    """
    from io import BytesIO

    from zstandard import ZstdDecompressor, ZstdError

    try:
        with ZstdDecompressor().stream_reader(BytesIO(data), read_across_frames=True) as stream:
            rest = b""
            while block := stream.read(2**18):
                *whole, rest = (rest + block).split(b"\n")
                if len(rest) > _MOST_LINE_BYTES:
                    raise ValueError("a line is too long")
                yield from whole
    except ZstdError as error:
        raise ValueError(str(error)) from error
    if rest:
        raise ValueError("it breaks off")


def line_of(document: Any) -> bytes:
    """JSON types as such a line; half a surrogate becomes what JSON has for it."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")
