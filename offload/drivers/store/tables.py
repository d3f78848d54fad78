"""Tables of dataclasses: a column for each field, rows made of items and items of rows.

Text and numbers are kept as they are; dataclasses within field by field, but a condition, like
mappings and lists, as JSON. Fields of several dataclasses are left out: these have their own table.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from functools import cache, partial
from itertools import repeat
from types import NoneType, UnionType
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

from offload.domain.measurements import Condition
from offload.domain.typed import fields_of, fits

T = TypeVar("T")

UNREADABLE = (KeyError, TypeError, ValueError, RecursionError)
"""What `RowTable.items` raises for rows that it would not have written."""


@dataclass(frozen=True, slots=True)
class Column:
    """A field as it is stored: its definition, what its cells may be, the ways there and back."""

    name: str
    sql: str
    types: frozenset[type]
    cell: Callable[[Any], Any]
    value: Callable[[Any], Any] | None

    def values(self, cells: Sequence[Any]) -> Sequence[Any]:
        """What cells stand for."""
        if not self.types.issuperset(map(type, cells)):
            raise ValueError(self.name)
        return cells if self.value is None else list(map(self.value, cells))


@dataclass(frozen=True, slots=True)
class RowTable(Generic[T]):
    """The table `name` of items of one dataclass.

    `keys` are the definitions of the columns before those of the fields; `rules` and `options`
    stand behind all columns and behind the table.
    """

    name: str
    kind: type[T]
    keys: tuple[str, ...] = ("id INTEGER PRIMARY KEY AUTOINCREMENT",)
    rules: tuple[str, ...] = ()
    options: str = ""

    @property
    def create(self) -> str:
        """The statement that makes it."""
        columns = (column.sql for column in _columns(self.kind))
        lines = ",\n  ".join([*self.keys, *columns, *self.rules])
        return f"CREATE TABLE {self.name} (\n  {lines}\n){self.options}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns, in the order of a row."""
        keys = [key.partition(" ")[0] for key in self.keys]
        return (*keys, *(column.name for column in _columns(self.kind)))

    @property
    def insert(self) -> str:
        """The statement that adds a row."""
        marks = ", ".join("?" * len(self.columns))
        columns = ", ".join(self.columns)
        return f"INSERT INTO {self.name} ({columns}) VALUES ({marks})"  # noqa: S608 - our own names

    def select(self, rest: str, more: Sequence[str] = ()) -> str:
        """The query for whole rows, and for `more` behind them."""
        columns = ", ".join([*self.columns, *more])
        return f"SELECT {columns} FROM {self.name} {rest}"  # noqa: S608 - our own names

    def row(self, item: T, *keys: int | None) -> tuple[Any, ...]:
        """An item as a row."""
        return (*keys, *_cells(item))

    def items(self, rows: Sequence[Sequence[Any]]) -> list[T]:
        """Rows as items. They are taken by columns, as there may be thousands of rows.

        Raises:
            One of `UNREADABLE`: they are something else.
        """
        columns = list(zip(*rows, strict=True))[len(self.keys) :]
        return _items(self.kind, iter(columns)) if rows else []


@cache
def several(kind: type) -> Mapping[str, type]:
    """The fields that hold several dataclasses, and of which type these are."""
    return {
        name: get_args(hint)[0]
        for name, hint in fields_of(kind).items()
        if get_origin(hint) is tuple and is_dataclass(get_args(hint)[0])
    }


@cache
def _layout(kind: type) -> Mapping[str, Column | type]:
    """The column of each field, or the dataclass that has columns in its place."""
    return {
        name: hint if _is_within(hint) else _column(name, hint)
        for name, hint in fields_of(kind).items()
        if name not in several(kind)
    }


def _is_within(hint: Any) -> bool:
    return is_dataclass(hint) and hint is not Condition


def _columns(kind: type) -> Iterator[Column]:
    for part in _layout(kind).values():
        if isinstance(part, Column):
            yield part
        else:
            yield from _columns(part)


def _cells(item: Any) -> Iterator[Any]:
    for name, part in _layout(item.__class__).items():
        value = getattr(item, name)
        if isinstance(part, Column):
            yield part.cell(value)
        else:
            yield from _cells(value)


def _items(kind: type, columns: Iterator[Sequence[Any]]) -> list[Any]:
    layout = _layout(kind)
    parts: list[Iterable[Any]] = []
    for name in fields_of(kind):
        part = layout.get(name)
        if part is None:
            parts.append(repeat(()))
        elif isinstance(part, Column):
            parts.append(part.values(next(columns)))
        else:
            parts.append(_items(part, columns))
    return list(map(kind, *parts))


def _column(name: str, hint: Any) -> Column:
    plain = get_args(hint)[0] if get_origin(hint) is UnionType else hint
    plain = str if get_origin(hint) is Literal else plain
    as_json = ("TEXT", str, partial(json.dumps, default=Condition.to_json), partial(_loaded, hint))
    sql, stored, cell, value = _PLAIN.get(plain, as_json)
    if fits(None, hint):
        return Column(name, f"{name} {sql}", frozenset({stored, NoneType}), cell, value)
    return Column(name, f"{name} {sql} NOT NULL", frozenset({stored}), cell, value)


def _loaded(hint: Any, stored: str) -> Any:
    value = json.loads(stored)
    if hint is Condition:
        value = Condition.from_json(value)
    elif get_origin(hint) is tuple:
        value = tuple(value)
    if not fits(value, hint):
        raise ValueError(stored)
    return value


def text(value: str) -> str:
    """`value` as it is stored: the name of a file may hold what is no text."""
    return value.encode("utf-8", "backslashreplace").decode()


def _as_it_is(value: Any) -> Any:
    return value


_PLAIN: Mapping[Any, tuple[str, type, Callable[[Any], Any], Callable[[Any], Any] | None]] = {
    str: ("TEXT", str, text, None),
    int: ("INTEGER", int, _as_it_is, None),
    float: ("REAL", float, _as_it_is, None),
    bool: ("INTEGER", int, int, bool),
}
