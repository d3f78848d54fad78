"""Where programs come in: their keyword arguments checked, and what is said to them in their words.

Use cases speak of options, as people type them: `--max-cost 5`. A program reads `max_cost_usd=5`.
"""

import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from operator import or_
from types import UnionType
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from offload.domain import typed
from offload.domain.errors import OffloadError, UsageError
from offload.domain.events import Event, Failed, Noted, Stepped, Warned
from offload.places import inprocess

Path: TypeAlias = str | os.PathLike[str]
Names: TypeAlias = str | Sequence[str]
HERE = inprocess.TRAITS.name

FIELDS = {"iou": "max_iou", "format": "formats"}
"""Keywords that a request calls otherwise."""

_KEYWORDS = {
    "class": "classes", "with": "others", "from": "from_file",
    "image-size": "image_bytes", "uplink": "uplink_bytes_per_s", "price": "price_usd_per_h",
    "value-of-time": "value_of_time_usd_per_h", "max-cost": "max_cost_usd",
    **{name: f"{name}_s" for name in ("deadline", "timeout", "rtt", "idle", "budget")},
}  # fmt: skip
"""Options that are no keywords by the same name."""
_LETTERS, _SWITCHES = {"r": "recursive", "m": "model"}, {"recursive"}
_CALLS = re.compile(r"(detect|advise)\b|profile (?!(?:list|show|export|import|forget)\b)|profile$")
"""Commands that are functions; others stay as they are typed."""
_SAID = re.compile(
    r"offload (?P<command>[a-z]+(?: [^\s;]+)*)|--(?P<option>[a-z-]+)"
    r"(?:[ =](?P<value>'[^']*'|https?://\S+|\d[\w%]*|[A-Z_]+\b|(?:(?<=where )|(?<=with ))\w+))?"
)

_log = logging.getLogger("offload")


def checked(function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a public function but for its `sources`, as the fields of a request.

    Raises:
        UsageError: one is of another type or range than it is annotated with.
    """
    hints = get_type_hints(function, include_extras=True)
    return {
        FIELDS.get(name, name): _checked(name, hint, given[name])
        for name, hint in hints.items()
        if name not in {"sources", "return"}
    }


def _checked(name: str, hint: Any, value: Any) -> Any:
    parts = [part for part in get_args(hint) if get_origin(part) is not os.PathLike]
    is_union = get_origin(hint) in {Union, UnionType}
    plain = reduce(or_, parts) if is_union else hint  # msgspec knows no paths
    value = os.fsdecode(value) if isinstance(value, os.PathLike) else value
    try:
        typed.read(plain, value)
        if value != value:  # noqa: PLR0124 - what is no number is in no range
            raise ValueError("Expected a number")
    except ValueError as error:
        expected = re.sub(r"Expected |, got.*| - at.*", "", str(error))
        expected = expected.replace("null", "None").replace("array", "list")
        if choices := list(_choices(hint)):
            expected = f"one of {', '.join(choices)}"
        shown = "what was given" if name == "token" else repr(value)
        raise UsageError(f"{name} takes {expected}, not {shown}.") from error
    if any(get_origin(part) is Sequence for part in parts):
        return (value,) if isinstance(value, str) else tuple(value)
    return value


def _choices(hint: Any) -> Iterator[str]:
    if get_origin(hint) is Literal:
        yield from get_args(hint)
    elif get_args(hint):
        yield from _choices(get_args(hint)[0])


@contextmanager
def explained() -> Iterator[None]:
    """Meanwhile, errors speak of keywords; what helps stands in their notes, too."""
    try:
        yield
    except OffloadError as error:
        error.args, error.hint = (in_python(str(error)),), in_python(error.hint)
        if error.hint and not getattr(error, "__notes__", None):
            error.add_note(error.hint)
        raise


def hear(event: Event) -> None:
    """Log an event, under the name `offload`."""
    if isinstance(event, Warned):
        _log.warning("%s", in_python(event.text))
    elif isinstance(event, Failed):
        _log.warning("%s", in_python(f"{event.text} {event.hint}".strip()))
    elif isinstance(event, Noted | Stepped):
        _log.info("%s", in_python(event.text))


def in_python(text: str) -> str:
    """A sentence about options, or a command to type, as one about keywords."""
    return _SAID.sub(_in_python, text)


def _in_python(found: re.Match[str]) -> str:
    command = found["command"]
    if command is None:
        return _said(found["option"], found["value"])
    return _call(command) if _CALLS.match(command) else found[0]


def _call(command: str) -> str:
    function, *words = command.split()
    sources, said = [], []
    while words:
        word = words.pop(0)
        option = _LETTERS.get(word.strip("-"), word.strip("-"))
        if not word.startswith("-"):
            sources.append(repr(word))
        elif option in _SWITCHES or not words:
            said.append(f"{option}=True")
        else:
            said.append(_said(option, words.pop(0)))
    return f"offload.{function}({', '.join(sources + said)})"


def _said(option: str, value: str | None) -> str:
    name = _KEYWORDS.get(option, option.replace("-", "_"))
    if value is None:
        return name
    return f"{name}={value}" if value.isdecimal() or value[0] == "'" else f"{name}={value!r}"
