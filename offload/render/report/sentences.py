"""The sentences of a report, from `sentences.toml`."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files


@cache
def templates() -> Mapping[str, str]:
    """A name -> its sentence with fields."""
    text = files(__package__).joinpath("sentences.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def say(name: str, /, *positional: str, **values: object) -> str:
    """The sentence of that name, its fields filled in; nothing if a value is None."""
    if any(value is None for value in values.values()):
        return ""
    return templates()[name].format(*positional, **values)
