"""The composition root: settings, and the context that use cases are handed."""

import os
from collections.abc import Iterator
from typing import Any

from offload.detectors.source import Hub
from offload.domain.events import Listener, Reporter
from offload.domain.results import Json, Row
from offload.drivers import settings
from offload.drivers.model_cache import ModelCache
from offload.drivers.settings import Settings
from offload.usecases.context import Context


def load() -> Settings:
    """The settings as this process sees them.

    Raises:
        UsageError: a settings file or variable is wrong.
    """
    return settings.load(os.environ)


def context(*listeners: Listener, offline: bool = False) -> Context:
    """What use cases are handed, with the settings as this process sees them. `listeners` are told
    every event; `offline` keeps the model hub from being asked.

    Raises:
        UsageError: a settings file or variable is wrong.
    """
    return composed(load(), Reporter(*listeners), offline=offline)


def composed(configured: Settings, reporter: Reporter, *, offline: bool = False) -> Context:
    """The context that these settings make."""
    cache, is_offline = ModelCache(configured.models_path), offline or configured.offline
    hub = Hub(configured.hub, cache, is_offline, reporter.downloaded, reporter.warn)
    return Context(configured, hub, reporter)


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


def detect(*sources: str, **wishes: Any) -> Iterator[Row]:
    """A row for every image that `sources` name; `wishes` are the fields of Request.

    Raises:
        OffloadError: what is asked for cannot be done.
    """
    from offload.usecases.detect.request import Request
    from offload.usecases.detect.run import detection

    made = context()
    with detection(Request(sources, **wishes), made, made.clock()) as run:
        yield from run
