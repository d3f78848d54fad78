"""What the value of a setting may be, and how it is written as text."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from offload.domain.errors import UsageError
from offload.domain.typed import read

Amount = int | float | str
"""Typed with a unit, as the option is, or a number of its unit."""
_MOST = 1024
_ON, _OFF = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_SWITCH = dict.fromkeys(_ON, True) | dict.fromkeys(_OFF, False)
NAMES: Mapping[Any, str] = {
    str: "text",
    str | None: "text",
    bool: "true or false",
    int: "a whole number",
    int | None: f"a whole number from 1 to {_MOST}",
    float: "a number",
    Amount: "a number, or text with a unit",
    list[str]: "a list of texts",
}
"""What a type is called."""


def checked(value: Any, kind: Any, name: str) -> Any:
    """`value`, which the setting `name` has.

    Raises:
        UsageError: it is of another kind.
    """
    with suppress(ValueError):
        read(kind, value)
        in_range = kind != int | None or 1 <= value <= _MOST
        if in_range and "" not in (value if isinstance(value, list) else [value]):
            return value
    raise UsageError(f"{name} must be {NAMES[kind]}, not {value!r}.")


def parsed(text: str, kind: Any) -> Any:
    """`text` as a file would have it; what cannot be of its kind stays text."""
    if kind == list[str]:
        return [each.strip() for each in text.split(",") if each.strip()]
    if kind is bool:
        return _SWITCH.get(text.lower(), text)
    if kind is float:
        with suppress(ValueError):
            return float(text)
    return int(text) if kind in {int, int | None} and text.isdecimal() else text


def as_text(value: Any) -> str:
    """As `parsed` takes it."""
    if isinstance(value, list):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
