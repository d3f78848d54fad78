"""Whatever a dataclass may hold, for hypothesis."""

from collections.abc import Mapping
from dataclasses import is_dataclass
from datetime import UTC, datetime
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

MOMENTS = st.datetimes(max_value=datetime(2026, 1, 1), timezones=st.just(UTC)).map(
    lambda moment: moment.isoformat()
)

_NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
_WHOLE = st.integers(-(2**63), 2**63 - 1)
_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | _WHOLE | _NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)
_PLAIN = {
    str: st.text(),
    int: _WHOLE,
    float: _NUMBERS,
    bool: st.booleans(),
    NoneType: st.none(),
    Any: _JSON,
}


def made(hint: Any) -> st.SearchStrategy[Any]:
    """Values of an annotated type; what says when it was is a moment."""
    parts = get_args(hint)
    match get_origin(hint):
        case None:
            return _fields_made(hint) if is_dataclass(hint) else _PLAIN[hint]
        case origin if origin is Annotated:
            return _bounded(parts[0], parts[1])
        case origin if origin in {UnionType, Union}:
            return st.one_of([made(part) for part in parts])
        case origin if origin is Literal:
            return st.sampled_from(parts)
        case origin if origin is Mapping:
            return st.dictionaries(st.text(), made(parts[1]), max_size=2)
    return st.lists(made(parts[0]), max_size=3).map(tuple)


def _bounded(kind: type, within: Any) -> st.SearchStrategy[Any]:
    if kind is str:
        return st.text(max_size=within.max_length)
    return (st.integers if kind is int else st.floats)(within.ge, within.le)


def _fields_made(kind: Any) -> st.SearchStrategy[Any]:
    hints = get_type_hints(kind, include_extras=True)
    fields = {name: MOMENTS if name == "taken_at" else made(hints[name]) for name in hints}
    return st.builds(kind, **fields)
