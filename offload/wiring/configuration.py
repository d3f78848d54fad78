"""Settings, and the model hub as set."""

import os
from collections.abc import Callable

from offload.detectors.source import Hub
from offload.domain.results import Json
from offload.drivers import settings
from offload.drivers.modelcache import ModelCache
from offload.drivers.settings import Settings


def load() -> Settings:
    """The settings as this process sees them.

    Raises:
        UsageError: a settings file or variable is wrong.
    """
    return settings.load(os.environ)


def store_path(configured: Settings) -> str:
    """The file that measurements are kept in."""
    return os.path.join(configured.data, "history.sqlite3")


def machines_path(configured: Settings) -> str:
    """The folder with what is known of rented machines."""
    return os.path.join(configured.data, "machines")


def cache(configured: Settings) -> ModelCache:
    """Our cache of models."""
    return ModelCache(os.path.join(configured.cache, "models"))


def hub(
    configured: Settings,
    on_bytes: Callable[[int, int | None], None] = lambda _have, _total: None,
    warn: Callable[[str], None] = lambda _line: None,
    *,
    offline: bool = False,
) -> Hub:
    """The model hub and our cache of it, silent unless told whom to tell."""
    return Hub(configured.hub, cache(configured), offline or configured.offline, on_bytes, warn)


def facts(configured: Settings) -> Json:
    """Every setting with its value and origin."""
    unset = {"value": None, "from": "not set"}
    document: Json = {
        name: {"value": found.value, "from": found.source}
        if (found := configured.origins.get(name))
        else unset
        for name in settings.KEYS
    }
    return document | {"files": [settings.LOCAL_FILE, settings.user_file()]}
