"""The composition root: settings, and what they make."""

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

from offload.detectors.source import Hub
from offload.domain.results import Json, Row
from offload.drivers import settings
from offload.drivers.model_cache import ModelCache
from offload.drivers.settings import Settings


def load() -> Settings:
    """The settings as this process sees them.

    Raises:
        UsageError: a settings file or variable is wrong.
    """
    return settings.load(os.environ)


def hub(
    configured: Settings,
    on_bytes: Callable[[int, int | None], None] = lambda _have, _total: None,
    warn: Callable[[str], None] = lambda _line: None,
    *,
    offline: bool = False,
) -> Hub:
    """The model hub and our cache of it, silent unless told whom to tell."""
    return Hub(
        configured.hub,
        ModelCache(configured.models_path),
        offline or configured.offline,
        on_bytes,
        warn,
    )


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
    from offload.usecases.detect.pipeline import Stop
    from offload.usecases.detect.request import Request
    from offload.usecases.detect.run import detection

    configured = load()
    request = Request(sources, **wishes)
    with detection(request, hub(configured), configured, Stop(), time.perf_counter()) as run:
        yield from run
