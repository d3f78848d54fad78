"""Documents from outside as dataclasses."""

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def read(kind: type[T], document: Any) -> T:
    """JSON types as a dataclass, each value of the type its field is annotated with.

    Raises:
        ValueError: they are something else.
    """
    return msgspec.convert(document, kind)


def parse(kind: type[T], text: bytes) -> T:
    """JSON text as a dataclass, likewise.

    Raises:
        ValueError: it is something else.
    """
    return msgspec.json.decode(text, type=kind)


def encoded(document: Any) -> bytes:
    """A dataclass as JSON text."""
    return msgspec.json.encode(document)
