"""The composition root: settings, and the context that use cases are handed."""

import os
from typing import TYPE_CHECKING

from offload.detectors.source import Hub
from offload.domain.events import Listener, Reporter
from offload.domain.places import SPLIT
from offload.domain.results import Json
from offload.drivers import settings
from offload.drivers.model_cache import ModelCache
from offload.drivers.settings import Settings
from offload.usecases.context import Context

if TYPE_CHECKING:
    from offload.usecases.detect.request import Request
    from offload.usecases.split.rental import HiredMachine
    from offload.usecases.split.splitting import SplitRun


def context(
    *listeners: Listener, offline: bool = False, configured: Settings | None = None
) -> Context:
    """What use cases are handed, with the settings as this process sees them unless others are
    given. `listeners` are told every event; `offline` keeps the model hub from being asked.

    Raises:
        UsageError: a settings file or variable is wrong.
    """
    reporter = Reporter(*listeners)
    if configured is None:
        configured = settings.load(os.environ)
        for warning in configured.warnings:
            reporter.warn(warning)
    cache, is_offline = ModelCache(configured.models_path), offline or configured.offline
    hub = Hub(configured.hub, cache, is_offline, reporter.downloaded, reporter.warn)
    return Context(configured, hub, reporter)


def facts(configured: Settings) -> Json:
    """Every setting with its value and origin."""
    document: Json = {}
    for key in settings.KEYS:
        found = configured.origins.get(key)
        value, source = (found.value, found.source) if found else (None, "not set")
        document[settings.typed_as(key)] = {"value": value, "from": source}
    return document | {"files": [settings.LOCAL_FILE, settings.user_file()]}


def shared(
    request: "Request", context: Context, began_s: float, rental: "HiredMachine | None" = None
) -> "SplitRun | None":
    """How the job is shared or watched; None if one place does it and there is no deadline."""
    if request.where != SPLIT and request.deadline_s is None:
        return None
    from offload.usecases.split.splitting import SplitRun

    return SplitRun(request, context, began_s, rental)
