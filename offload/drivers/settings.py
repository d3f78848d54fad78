"""What is set once: `OFFLOAD_*` variables over ./offload.toml over the user's own file.

A folder may come from anybody. So its file counts once the user has vouched for it, and what says
where code and models come from, what is asked, told and written, and who may come in counts from
the user's own only. What is no setting is warned of.
"""

import hashlib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from offload.domain.errors import UsageError, meant
from offload.drivers import trust
from offload.drivers.http import web
from offload.drivers.setting_kinds import OPTIONS, checked, parsed

LOCAL_FILE = "offload.toml"
_MOST_BYTES = 2**20
_OF_FOLDERS = {"labels", "offline", "workers", "threads", "history", "keep_local"}
"""What a folder's file may set, besides options that may be."""
_PATHS = {"model", "labels", "cache", "data"}
_NAMES_TOO = {"model", "labels"}
_NO_SETTINGS = re.compile(
    "OFFLOAD_(EVENTS|GROUP|INSTANCE|NATIVE_LOG|TEST_ASSETS|(SERVICE|PORT)(_.*)?)"
)
"""The last are what Kubernetes tells of a service that is called offload."""
_SECRET = {"token"}
_ADDRESSES = {"url", "hub", "checkip"}


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and where it was set."""

    value: str | bool | int | float | list[str]
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything settable; None where nothing is set. `options` are the defaults of options, by
    key. `token_url` is the address that was set where the token was, None if that left it open.
    `warnings` are sentences about what is no setting.
    """

    model: str | None = None
    labels: str | None = None
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
    deployment: str = "offload/offload"
    fleet: str = "offload"
    origins: Mapping[str, Setting]
    token_url: str | None = field(default=None, repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def history_path(self) -> str:
        """The file of the history."""
        return os.path.join(self.data, "history.sqlite3")

    @property
    def machines_path(self) -> str:
        """The folder of what is known of rented machines."""
        return os.path.join(self.data, "machines")

    @property
    def functions_path(self) -> str:
        """The folder of what is known of functions that were brought up here."""
        return os.path.join(self.data, "functions")

    @property
    def fleets_path(self) -> str:
        """The folder of what is known of fleets that were brought up here."""
        return os.path.join(self.data, "fleets")

    @property
    def batches_path(self) -> str:
        """The folder of what is known of batches that were begun here."""
        return os.path.join(self.data, "batches")

    @property
    def models_path(self) -> str:
        """The folder of downloaded models."""
        return os.path.join(self.cache, "models")


_ABOUT = {"origins", "token_url", "options", "warnings"}
KEYS: Mapping[str, Any] = {
    **{each.name: each.type for each in fields(Settings) if each.name not in _ABOUT},
    **{key: option.kind for key, option in OPTIONS.items()},
}
"""Every setting and its type; the texts of a list are, in a variable, separated by commas."""


def typed_as(key: str) -> str:
    """The name of a setting as its option is typed."""
    return key.replace("_", "-")


def is_secret(key: str) -> bool:
    """Whether its value is shown to nobody."""
    return key in _SECRET


def variable(key: str) -> str:
    """The environment variable of a setting."""
    return f"OFFLOAD_{key.upper()}"


def named(name: str) -> str:
    """The key that is called so, with dashes or underscores.

    Raises:
        UsageError: there is none.
    """
    key = name.replace("-", "_")
    if key not in KEYS:
        raise UsageError(_unknown(name), hint="To see the settings: offload config")
    return key


def _unknown(name: str) -> str:
    like = meant(name.replace("_", "-"), map(typed_as, KEYS))
    return f"There is no setting {name!r}.{like}"


def user_file() -> str:
    """The user's own settings file, whether or not it exists."""
    import platformdirs

    return os.path.join(platformdirs.user_config_dir("offload"), "config.toml")


def load(environment: Mapping[str, str]) -> Settings:
    """All settings with their origins.

    Raises:
        UsageError: a file is no TOML or a value has the wrong type; or the folder's file sets what
            it may not, or is not trusted.
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
    warnings: list[str] = []
    levels = _of_user(warnings), _of_folder(warnings), _of_environment(environment, warnings)
    for level in levels:
        found |= level
        if "token" in level:
            token_url = str(level["url"].value) if "url" in level else None
    values: dict[str, Any] = {key: setting.value for key, setting in found.items()}
    for key in (_SECRET | _ADDRESSES) & found.keys():
        shown = "(hidden)" if key in _SECRET else web.without_secrets(values[key])
        found[key] = replace(found[key], value=shown)
    options = {key: values.pop(key) for key in OPTIONS if key in values}
    return Settings(
        **values, origins=found, token_url=token_url, options=options, warnings=tuple(warnings)
    )


def trusted() -> Mapping[str, Setting]:
    """What the folder's file sets, which counts from now on until it is changed.

    Raises:
        UsageError: it sets nothing, or what it may not; or this cannot be written down.
    """
    found, identity = _folder([])
    if not found:
        hint = "To see what is set: offload config"
        raise UsageError(f"There is no {LOCAL_FILE} with settings here.", hint=hint)
    try:
        trust.note(*identity)
    except OSError as error:
        raise UsageError(f"Your trust cannot be saved: {error}.") from error
    return found


def _of_user(warnings: list[str]) -> dict[str, Setting]:
    file = user_file()
    found = _from_file(file, content(file), warnings)
    for key in _PATHS & found.keys():  # not from wherever it is read: that may be anybody's folder
        path = os.path.join(os.path.dirname(file), os.path.expanduser(str(found[key].value)))
        if key not in _NAMES_TOO or os.path.exists(path):  # else it is a name
            found[key] = Setting(path, file)
    return found


def _of_folder(warnings: list[str]) -> dict[str, Setting]:
    found, identity = _folder(warnings)
    if found and not trust.is_known(*identity):
        sets = ", ".join(map(typed_as, found))
        raise UsageError(
            f"{LOCAL_FILE} in this folder sets {sets} and is not trusted: it is new, or has "
            "changed.",
            hint="If you know its author: offload trust; else remove it or use another folder.",
        )
    return found


def of_folder(key: str) -> bool:
    """Whether a folder's file may set it."""
    return key in _OF_FOLDERS or (key in OPTIONS and OPTIONS[key].of_folder)


def _folder(warnings: list[str]) -> tuple[dict[str, Setting], tuple[str, str]]:
    """What the folder's file sets, and its SHA-256 and path."""
    data = content(LOCAL_FILE)
    found = _from_file(LOCAL_FILE, data, warnings)
    if own := [key for key in found if not of_folder(key)]:
        name = typed_as(own[0])
        raise UsageError(
            f"{LOCAL_FILE}: {name} cannot be set by a folder, which may come from anybody.",
            hint=f"To set it for yourself: offload config set {name} …, or: export "
            f"{variable(own[0])}=…",
        )
    return found, (hashlib.sha256(data).hexdigest(), os.path.realpath(LOCAL_FILE))


def _of_environment(environment: Mapping[str, str], warnings: list[str]) -> dict[str, Setting]:
    variables = {variable(key): key for key in KEYS}
    found = {}
    for name, text in environment.items():
        if key := variables.get(name):
            if text:
                value = checked(parsed(text, KEYS[key]), KEYS[key], name)
                found[key] = Setting(value, name)
        elif name.startswith("OFFLOAD_") and not _NO_SETTINGS.fullmatch(name):
            warnings.append(f"{name} is not a setting of offload.{meant(name, variables)}")
    return found


def content(file: str) -> bytes:
    """What is in a settings file; nothing if there is none."""
    try:
        # A pipe would be waited for.
        with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:
            return stream.read(_MOST_BYTES)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise UsageError(f"The settings file {file} cannot be read: {error}.") from error


def table(file: str, data: bytes) -> dict[str, Any]:
    """What is in a settings file.

    Raises:
        UsageError: it is no TOML.
    """
    try:
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise UsageError(f"The settings file {file} cannot be read: {error}.") from error


def _from_file(file: str, data: bytes, warnings: list[str]) -> dict[str, Setting]:
    found = {}
    for name, value in table(file, data).items():
        if (key := name.replace("-", "_")) in KEYS:
            found[key] = Setting(checked(value, KEYS[key], f"{file}: {name}"), file)
        else:
            warnings.append(f"{file}: {_unknown(name)}")
    return found
