"""A place that nobody declared: it is taken to be elsewhere, behind a link, and not simple."""

from dataclasses import replace

import numpy as np
import pytest

from offload.costmodel.advice import advise, document
from offload.costmodel.candidates.build import Overrides, lanes
from offload.costmodel.decide import Goal, choose, options
from offload.costmodel.dollars import Billing
from offload.costmodel.terms import Candidate
from offload.domain.measurements import Measurement, Total
from offload.domain.places import KnownPlaces, PlaceTraits
from tests.costmodel.worlds import LOCAL, lane
from tests.measured import PLACES, URL, local, measurement, remote

NAME = "moon"
GOAL = Goal(200)


def moon(**known: object) -> Measurement:
    """A place with the numbers of a server, that says nothing of its address."""
    usual = {"slots": 8, "in_flight": 18, "bytes_per_s": 2.5e6, "rtt_s": 0.02}
    return measurement(NAME, **usual | known)  # type: ignore[arg-type] # names of parameters


def found(*measurements: Measurement, places: KnownPlaces = PLACES) -> list[Candidate]:
    every = lanes(measurements, [], Overrides(slots=2), places)
    return [each for each in every if each.place == NAME]


def test_it_has_a_row_of_its_own_with_the_terms_of_a_link() -> None:
    (there,) = found(local(), moon())
    assert there.choosable
    assert (there.traits.uses_link, there.traits.leaves_machine, there.state) == (
        True,
        True,
        "warm",
    )
    assert there.goodput.median == pytest.approx(2.5e6, rel=0.1)
    assert there.rtt_s.median == pytest.approx(0.02, rel=0.2)


def test_it_never_has_an_endless_uplink() -> None:
    totals = (Total(10, None, 0.0, 5.0), Total(20, None, 0.0, 9.0))
    unprobed = replace(moon(bytes_per_s=0.0), probes=())
    for each in (moon(), unprobed, moon(images=0), replace(unprobed, totals=totals)):
        (there,) = found(local(), each)
        assert np.isfinite(there.goodput.draws).all()


def test_where_copies_alone_were_measured_whole_images_are_not_chosen() -> None:
    whole, copies = found(local(), moon(max_side_px=640))
    assert (whole.key, whole.choosable) == ("", False)
    assert copies.upload_max_side_px == 640
    assert whole.goodput is copies.goodput


def test_declared_and_not_measured_it_is_told_of_and_not_chosen() -> None:
    places = KnownPlaces([*PLACES.values(), PlaceTraits(NAME, title="the Moon")])
    (there,) = found(local(), places=places)
    assert (there.choosable, there.goodput.origin, there.rtt_s.origin) == (
        False, "assumed", "assumed",
    )  # fmt: skip
    assert found(local()) == []


def test_its_runs_differ_as_those_over_a_link() -> None:
    (there,) = found(local(), moon())
    assert float(np.log(there.noise).std()) == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize("other", ["local", "container", "remote"])
def test_it_loses_a_tie(other: str) -> None:
    ways = [lane(LOCAL, NAME), lane(LOCAL, other)]
    ways = [replace(way, noise=np.exp(0.1 * np.random.default_rng(i).standard_normal(500)))
            for i, way in enumerate(ways)]  # fmt: skip
    choice = choose(options(ways, GOAL, Billing()), GOAL)
    assert choice.too_close
    assert choice.chosen.lane.place == other


def test_an_advice_has_it_beside_the_others_and_may_split_with_it() -> None:
    known = [local(service_s=0.2), remote(bytes_per_s=2e5), moon()]
    by_hand = Overrides(slots=2)
    advice = advise(known, [], GOAL, by_hand, Billing(), "builtin", PLACES)
    assert NAME in {option.lane.name for option in advice.options}
    assert advice.split is not None
    assert advice.split.lane.name == f"split: local and {NAME}"
    shares = next(o["images"] for o in document(advice)["options"] if o["place"] == "split")
    assert list(shares) == ["local", NAME]
    named = replace(by_hand, split_with=("remote",))
    other = advise(known, [], GOAL, named, Billing(), "builtin", PLACES).split
    assert other is not None
    assert other.lane.name == "split: local and remote"


def test_of_several_servers_of_one_place_the_latest_counts() -> None:
    old = moon(taken_at="2026-10-01T09:00:00+00:00")
    old = replace(old, condition=replace(old.condition, url=URL))
    (there,) = found(local(), old, moon(bytes_per_s=5e6))
    assert there.goodput.median == pytest.approx(5e6, rel=0.1)
