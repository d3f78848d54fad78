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
_SWITCH = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(
    ("0", "false", "no", "off"), False
)
_DEFAULTS: Mapping[str, str] = {
    "hub": "https://tfhub.dev",
    "checkip": "https://checkip.amazonaws.com",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and where it was set."""

    value: str | bool | int | list[str]
    source: str


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything settable; None where nothing is set."""

    model: str | None
    hub: str
    cache: str
    offline: bool
    workers: int | None
    threads: int | None
    url: str | None
    token: str | None = field(repr=False)
    data: str
    history: bool
    checkip: str
    keep_local: list[str]
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

    found = {key: Setting(value, "default") for key, value in _DEFAULTS.items()}
    found["cache"] = Setting(platformdirs.user_cache_dir("offload"), "default")
    found["data"] = Setting(platformdirs.user_data_dir("offload"), "default")
    for file in (user_file(), LOCAL_FILE):
        found |= _from_file(file)
    for key in KEYS:
        variable = f"OFFLOAD_{key.upper()}"
        if environment.get(variable):
            found[key] = Setting(_parsed(environment[variable], KEYS[key], variable), variable)
    values = {key: setting.value for key, setting in found.items()}
    for key in _SECRET & found.keys():
        found[key] = replace(found[key], value="(hidden)")
    for key in _ADDRESSES & found.keys():
        found[key] = replace(found[key], value=web.without_secrets(str(found[key].value)))
    blank: dict[str, object] = dict.fromkeys(KEYS)
    blank |= {"offline": False, "history": True, "keep_local": []}
    return Settings(**blank | values, origins=found)  # type: ignore[arg-type] # _checked saw to it


def _from_file(file: str) -> dict[str, Setting]:
    try:
        with open(file, "rb") as stream:
            table = tomllib.load(stream)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"The settings file {file} cannot be read: {error}.") from error
    return {key: Setting(_checked(key, value, file), file) for key, value in table.items()}


def _checked(key: str, value: Any, file: str) -> Any:
    if key not in KEYS:
        raise UsageError(
            f"{file}: there is no setting {key!r}.", hint=f"There are: {', '.join(KEYS)}."
        )
    kind = KEYS[key]
    right = isinstance(value, kind) and isinstance(value, bool) == (kind is bool)
    if kind is list:
        right = right and all(isinstance(each, str) and each for each in value)
    if not right or value == "" or (kind is int and not 1 <= value <= _MOST):
        raise UsageError(f"{file}: {key} must be {_NAMES[kind]}, not {value!r}.")
    return value


def _parsed(text: str, kind: type, variable: str) -> str | bool | int | list[str]:
    if kind is str:
        return text
    if kind is list:
        return [each.strip() for each in text.split(",") if each.strip()]
    if kind is bool and text.lower() in _SWITCH:
        return _SWITCH[text.lower()]
    if kind is int and text.isdecimal() and 1 <= int(text) <= _MOST:
        return int(text)
    raise UsageError(f"{variable} must be {_NAMES[kind]}, not {text!r}.")
