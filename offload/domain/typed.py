"""Whether values from outside are what the annotations of dataclasses promise."""

import math
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

fields_of: Callable[[Any], Mapping[str, Any]] = cache(get_type_hints)
"""The fields of a dataclass in their order, and their types."""

_LEAST, _MOST = -(2**63), 2**63 - 1


def fits(value: Any, hint: Any) -> bool:
    """Whether `value` is of the annotated type through and through: whole numbers in 64 bits,
    others finite.
    """
    if is_dataclass(hint):
        return type(value) is hint and all(
            fits(getattr(value, name), each) for name, each in fields_of(hint).items()
        )
    if get_args(hint):
        return _fits_parts(value, get_origin(hint), get_args(hint))
    if isinstance(value, int) and not isinstance(value, bool) and hint in {int, float}:
        return _LEAST <= value <= _MOST
    return hint is Any or (type(value) is hint and (hint is not float or math.isfinite(value)))


def _fits_parts(value: Any, origin: Any, parts: tuple[Any, ...]) -> bool:
    if origin is UnionType:
        return any(fits(value, part) for part in parts)
    if origin is Literal:
        return value in parts
    if origin is Mapping:
        return isinstance(value, dict) and all(fits(each, parts[1]) for each in value.values())
    return isinstance(value, origin) and all(fits(each, parts[0]) for each in value)
