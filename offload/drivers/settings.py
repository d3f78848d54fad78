"""What is set once: `OFFLOAD_*` variables over ./offload.toml over the user's own file.

A folder may come from anybody. So its file counts once the user has vouched for it, and what says
where models come from, what is asked, told and written counts from the user's own only.
"""

import hashlib
import os
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from typing import Any

from offload.domain.errors import UsageError
from offload.domain.typed import read
from offload.drivers import trust
from offload.drivers.http import web

LOCAL_FILE = "offload.toml"
_MOST = 1024
_MOST_BYTES = 2**20
_OF_FOLDERS = {"offline", "workers", "threads", "history", "keep_local"}
"""What a folder's file may set."""
_PATHS = {"model", "cache", "data"}
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
    """Everything settable; None where nothing is set. `token_url` is the address that was set where
    the token was, None if that left it open.
    """

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
    function: str = "offload"
    origins: Mapping[str, Setting]
    token_url: str | None = field(default=None, repr=False)

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
    each.name: each.type for each in fields(Settings) if each.name not in {"origins", "token_url"}
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
        UsageError: a file is no TOML, a key is unknown or a value has the wrong type; or the
            folder's file sets what it may not, or is not trusted.
    """
    import platformdirs

    defaults = {
        "hub": "https://tfhub.dev",
        "checkip": "https://checkip.amazonaws.com",
        "cache": platformdirs.user_cache_dir("offload"),
        "data": platformdirs.user_data_dir("offload"),
    }
    found = {key: Setting(value, "default") for key, value in defaults.items()}
    token_url: str | None = None
    for level in (_of_user(), _of_folder(), _of_environment(environment)):
        found |= level
        if "token" in level:
            token_url = str(level["url"].value) if "url" in level else None
    values: dict[str, Any] = {key: setting.value for key, setting in found.items()}
    for key in (_SECRET | _ADDRESSES) & found.keys():
        shown = "(hidden)" if key in _SECRET else web.without_secrets(values[key])
        found[key] = replace(found[key], value=shown)
    return Settings(**values, origins=found, token_url=token_url)


def trusted() -> Mapping[str, Setting]:
    """What the folder's file sets, which counts from now on until it is changed.

    Raises:
        UsageError: it sets nothing, or what it may not; or this cannot be written down.
    """
    found, identity = _folder()
    if not found:
        hint = "To see what is set: offload config"
        raise UsageError(f"There is no {LOCAL_FILE} here that sets anything.", hint=hint)
    try:
        trust.note(*identity)
    except OSError as error:
        raise UsageError(f"Your trust cannot be written down: {error}.") from error
    return found


def _of_user() -> dict[str, Setting]:
    file = user_file()
    found = _from_file(file, _bytes(file))
    for key in _PATHS & found.keys():  # not from wherever it is read: that may be anybody's folder
        path = os.path.join(os.path.dirname(file), os.path.expanduser(str(found[key].value)))
        if key != "model" or os.path.exists(path):  # else it is a name
            found[key] = Setting(path, file)
    return found


def _of_folder() -> dict[str, Setting]:
    found, identity = _folder()
    if found and not trust.is_known(*identity):
        raise UsageError(
            f"{LOCAL_FILE} in this folder sets {', '.join(found)} and is not trusted: it is new, "
            "or has changed.",
            hint="If you know who wrote it: offload trust; else remove it, or use another folder.",
        )
    return found


def _folder() -> tuple[dict[str, Setting], tuple[str, str]]:
    """What the folder's file sets, and its SHA-256 and path."""
    data = _bytes(LOCAL_FILE)
    found = _from_file(LOCAL_FILE, data)
    if own := [key for key in found if key not in _OF_FOLDERS]:
        raise UsageError(
            f"{LOCAL_FILE}: {own[0]} is not for a folder to set, which may come from anybody.",
            hint=f"Set it in {user_file()}, or: export OFFLOAD_{own[0].upper()}=…",
        )
    return found, (hashlib.sha256(data).hexdigest(), os.path.realpath(LOCAL_FILE))


def _of_environment(environment: Mapping[str, str]) -> dict[str, Setting]:
    found = {}
    for key, kind in KEYS.items():
        variable = f"OFFLOAD_{key.upper()}"
        if text := environment.get(variable):
            found[key] = Setting(_checked(_parsed(text, kind), kind, variable), variable)
    return found


def _bytes(file: str) -> bytes:
    """What is in a settings file; nothing if there is none."""
    try:
        # A pipe would be waited for.
        with open(os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as stream:
            return stream.read(_MOST_BYTES)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise UsageError(f"The settings file {file} cannot be read: {error}.") from error


def _from_file(file: str, data: bytes) -> dict[str, Setting]:
    try:
        table = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
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
