"""What is set once: `OFFLOAD_*` variables over ./offload.toml over the user's own file."""

import os
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from typing import Any

from offload.domain.errors import UsageError
from offload.domain.typed import read
from offload.drivers.http import web

LOCAL_FILE = "offload.toml"
_MOST = 1024
_SECRET = {"token"}
_ADDRESSES = {"url", "hub", "checkip"}
_ON, _OFF = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_SWITCH = dict.fromkeys(_ON, True) | dict.fromkeys(_OFF, False)


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and where it was set."""

    value: str | bool | int | list[str]
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything settable; None where nothing is set."""

    model: str | None = None
    hub: str
    cache: str
    offline: bool = False
    workers: int | None = None
    threads: int | None = None
    url: str | None = None
    token: str | None = field(default=None, repr=False)
    data: str
    history: bool = True
    checkip: str
    keep_local: list[str] = field(default_factory=list)
    origins: Mapping[str, Setting]

    @property
    def history_path(self) -> str:
        """The file of the history."""
        return os.path.join(self.data, "history.sqlite3")

    @property
    def machines_path(self) -> str:
        """The folder of what is known of rented machines."""
        return os.path.join(self.data, "machines")

    @property
    def models_path(self) -> str:
        """The folder of downloaded models."""
        return os.path.join(self.cache, "models")


KEYS: Mapping[str, Any] = {
    each.name: each.type for each in fields(Settings) if each.name != "origins"
}
"""Every setting and its type; the texts of a list are, in a variable, separated by commas."""
_NAMES = {
    str: "text",
    str | None: "text",
    bool: "true or false",
    int | None: f"a whole number from 1 to {_MOST}",
    list[str]: "a list of texts",
}


def user_file() -> str:
    """The user's own settings file, whether or not it exists."""
    import platformdirs

    return os.path.join(platformdirs.user_config_dir("offload"), "config.toml")


def load(environment: Mapping[str, str]) -> Settings:
    """All settings with their origins.

    Raises:
        UsageError: a file is no TOML, a key is unknown or a value has the wrong type.
    """
    import platformdirs

    defaults = {
        "hub": "https://tfhub.dev",
        "checkip": "https://checkip.amazonaws.com",
        "cache": platformdirs.user_cache_dir("offload"),
        "data": platformdirs.user_data_dir("offload"),
    }
    found = {key: Setting(value, "default") for key, value in defaults.items()}
    for file in (user_file(), LOCAL_FILE):
        found |= _from_file(file)
    for key, kind in KEYS.items():
        variable = f"OFFLOAD_{key.upper()}"
        if text := environment.get(variable):
            found[key] = Setting(_checked(_parsed(text, kind), kind, variable), variable)
    values: dict[str, Any] = {key: setting.value for key, setting in found.items()}
    for key in (_SECRET | _ADDRESSES) & found.keys():
        shown = "(hidden)" if key in _SECRET else web.without_secrets(values[key])
        found[key] = replace(found[key], value=shown)
    return Settings(**values, origins=found)


def _from_file(file: str) -> dict[str, Setting]:
    try:
        with open(file, "rb") as stream:
            table = tomllib.load(stream)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"The settings file {file} cannot be read: {error}.") from error
    if unknown := [key for key in table if key not in KEYS]:
        raise UsageError(
            f"{file}: there is no setting {unknown[0]!r}.", hint=f"There are: {', '.join(KEYS)}."
        )
    return {
        key: Setting(_checked(value, KEYS[key], f"{file}: {key}"), file)
        for key, value in table.items()
    }


def _checked(value: Any, kind: Any, name: str) -> Any:
    with suppress(ValueError):
        read(kind, value)
        in_range = kind != int | None or 1 <= value <= _MOST
        if in_range and "" not in (value if isinstance(value, list) else [value]):
            return value
    raise UsageError(f"{name} must be {_NAMES[kind]}, not {value!r}.")


def _parsed(text: str, kind: Any) -> Any:
    """The value of a variable as a file has it; what cannot be of its kind stays text."""
    if kind == list[str]:
        return [each.strip() for each in text.split(",") if each.strip()]
    if kind is bool:
        return _SWITCH.get(text.lower(), text)
    return int(text) if kind == int | None and text.isdecimal() else text
