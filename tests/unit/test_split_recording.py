"""Runs at two places as samples of both."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import Image

from offload import bootstrap
from offload.domain.measurements import Outcome
from offload.drivers.host import machine
from offload.usecases.detect import record
from offload.usecases.detect.request import Request
from offload.usecases.detect.run import detection
from tests.twin import twin

__all__ = ["twin"]


@pytest.fixture
def photos(tmp_path: Path, examples: Path) -> str:
    """Pictures enough for both."""
    with Image.open(examples / "red-bus.jpg") as picture:
        for number in range(60):
            picture.resize((160 + number, 120)).save(tmp_path / f"{number:02}.jpg")
    return str(tmp_path)


def ran(request: Request, *, rented: bool = False) -> Outcome | None:
    """What is remembered of a run, once it is over."""
    context = bootstrap.context()
    shared = bootstrap.shared(request, context, context.clock())
    assert shared is not None
    with detection(request, context, context.clock(), shared.begun) as run:
        assert len(list(run)) == 60
        if rented:
            shared.rental = cast("Any", object())
        return shared.remember(run)


def test_a_split_is_a_sample_of_either_place_beside_the_other_and_of_its_prediction(
    photos: str, twin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "lower_thread_priority", lambda: None)
    split = Request((photos,), where="split", others=(twin,), model="builtin", workers=1)
    assert ran(split) is None, "nothing was known of either"
    with bootstrap.context().history() as store:
        found = [m for _, m in store.measurements()]
    assert {(m.condition.place, m.condition.beside) for m in found} == {
        ("local", twin),
        (twin, "local"),
    }
    assert all(len(m.images) >= 8 and m.folder_images == 60 for m in found)
    for name in ("local", twin):
        place = replace(split, where=name, others=(), workers=1 if name == "local" else None)
        context = bootstrap.context()
        with detection(place, context, context.clock()) as run:
            assert len(list(run)) == 60
        record.remember(run, place, context)
    outcome = ran(split)
    assert outcome is not None
    assert (outcome.place, outcome.images) == ("split", 60)
    assert ran(split, rented=True) is None, "what a machine took is not predicted"


def test_a_job_at_one_place_is_no_sample_of_two(photos: str) -> None:
    alone = Request((photos,), where="local", model="builtin", workers=1, deadline_s=300.0)
    assert ran(alone) is None
    with bootstrap.context().history() as store:
        assert store.measurements() == []
