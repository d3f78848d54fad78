"""A second place that answers as this process does, for splits that need no server."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from offload import places
from offload.domain.places import PlaceTraits
from offload.places import inprocess
from offload.providers.config import PlaceConfig

TRAITS = PlaceTraits("twin", title="another process", rented=False)


def make(config: PlaceConfig) -> inprocess.InProcess:
    """The place of this process, under another name."""
    return replace(inprocess.make(config), name="twin")


@pytest.fixture
def twin(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """There is such a place; its name."""
    monkeypatch.setitem(places.PLACES, "twin", __name__)
    places.known.cache_clear()
    yield "twin"
    monkeypatch.undo()
    places.known.cache_clear()
