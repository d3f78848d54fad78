"""Contexts for use cases that are called by tests: nothing outside is asked."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from offload import bootstrap
from offload.domain.events import Event, Noted, Warned
from offload.drivers import settings
from offload.drivers.settings import Settings
from offload.usecases.context import Context


def no_clouds(region: str | None, profile: str | None) -> Any:
    """For those who may ask no cloud."""
    raise AssertionError((region, profile))


def context(
    configured: Settings | None = None,
    warn: Callable[[str], Any] = pytest.fail,
    note: Callable[[str], Any] = lambda _text: None,
    **changed: Any,
) -> Context:
    """One with these settings, who is told of warnings and notes, and with what is `changed`."""

    def hear(event: Event) -> None:
        if isinstance(event, Warned):
            warn(event.text)
        elif isinstance(event, Noted):
            note(event.text)

    made = bootstrap.context(hear, configured=configured or settings.load({}))
    return replace(made, **{"clouds": no_clouds, **changed})
