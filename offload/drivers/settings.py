"""What is set once: `OFFLOAD_*` variables over ./offload.toml over the user's own file."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from offload.domain.errors import UsageError
from offload.drivers.http import web

LOCAL_FILE = "offload.toml"
KEYS: Mapping[str, type] = {
    "model": str,
    "hub": str,
    "cache": str,
    "offline": bool,
    "workers": int,
    "threads": int,
    "url": str,
    "token": str,
    "data": str,
    "history": bool,
    "checkip": str,
    "keep_local": list,
}
"""Every setting and its type; a list is one of texts, in a variable separated by commas."""
_NAMES = {
    str: "text",
    bool: "true or false",
    int: "a whole number from 1 to 1024",
    list: "a list of texts",
}
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
    for key in _SECRET & found.keys():
        found[key] = replace(found[key], value="(hidden)")
    for key in _ADDRESSES & found.keys():
        found[key] = replace(found[key], value=web.without_secrets(str(found[key].value)))
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


def _checked(value: Any, kind: type, name: str) -> Any:
    right = isinstance(value, kind) and isinstance(value, bool) == (kind is bool) and value != ""
    if right and kind is list:
        right = all(isinstance(each, str) and each for each in value)
    if not right or (kind is int and not 1 <= value <= _MOST):
        raise UsageError(f"{name} must be {_NAMES[kind]}, not {value!r}.")
    return value


def _parsed(text: str, kind: type) -> Any:
    """The value of a variable as a file has it; what cannot be of its kind stays text."""
    if kind is list:
        return [each.strip() for each in text.split(",") if each.strip()]
    if kind is bool:
        return _SWITCH.get(text.lower(), text)
    return int(text) if kind is int and text.isdecimal() else text
