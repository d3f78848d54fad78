"""Documents from outside as dataclasses, and the ranges that their numbers may have."""

import json
from typing import Annotated, Any, TypeVar

import msgspec

T = TypeVar("T")

Amount = Annotated[float, msgspec.Meta(ge=0, le=1e18)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Positive = Annotated[int, msgspec.Meta(ge=1, le=2**53)]
Id = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
SidePx = Annotated[int, msgspec.Meta(ge=16)]
Percent = Annotated[int, msgspec.Meta(ge=1, le=100)]
Workers = Annotated[int, msgspec.Meta(ge=1, le=1024)]
Name = Annotated[str, msgspec.Meta(max_length=1000)]
"""What lies beyond, as every number that is none, is refused where it is read."""


def read(kind: type[T], document: Any) -> T:
    """JSON types as a dataclass, each value of the type and range its field is annotated with.

    Raises:
        ValueError: they are something else.
    """
    return msgspec.convert(document, kind)


def loads(text: str | bytes) -> Any:
    """JSON text as JSON types.

    Raises:
        ValueError: it is something else, as NaN is, or nested too deeply.
    """

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not a number")

    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def parse(kind: type[T], text: bytes) -> T:
    """JSON text as a dataclass, likewise.

    Raises:
        ValueError: it is something else.
    """
    try:
        return msgspec.json.decode(text, type=kind)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def builtins(document: Any) -> Any:
    """A dataclass as JSON types, bytes as base64 text."""
    return msgspec.to_builtins(document)


def encoded(document: Any) -> bytes:
    """A dataclass as JSON text; what is no Unicode in the name of a file becomes `?`."""
    return json.dumps(builtins(document), ensure_ascii=False).encode(errors="replace")
