"""Documents from outside as dataclasses."""

import json
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def read(kind: type[T], document: Any) -> T:
    """JSON types as a dataclass, each value of the type its field is annotated with.

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
        raise ValueError(f"{constant} is no number")

    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def parse(kind: type[T], text: bytes) -> T:
    """JSON text as a dataclass, likewise.

    Raises:
        ValueError: it is something else.
    """
    return msgspec.convert(loads(text), kind, str_keys=True)


def encoded(document: Any) -> bytes:
    """A dataclass as JSON text, in ASCII: file names may be no Unicode."""
    return json.dumps(msgspec.to_builtins(document)).encode()
