import math
import random
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from offload.costmodel.advice import Advice
from offload.costmodel.candidates import priors
from offload.costmodel.candidates.build import Overrides, lanes, machine
from offload.costmodel.dollars import Billing
from offload.costmodel.terms import Candidate, Term
from offload.domain.machines import Kind
from offload.domain.measurements import Measurement
from tests.measured import KIND, LABEL, PLACES, advised, bring_up, local, remote

OTHER = "ec2:c7i.xlarge@eu-central-1"
CLIENT_S = 0.5
RENTED = replace(remote(jitter=0), condition=replace(remote().condition, url=LABEL))
"""A machine of the kind LABEL that was measured; a client takes CLIENT_S to start for it."""


def startup(*known: Measurement, state: str = "new", kind: Kind | None = KIND) -> Term:
    """What is known of the start-up of a measured machine in that state."""
    return in_state(state, *known, kind=kind).startup_s


def in_state(state: str, *known: Measurement, kind: Kind | None = KIND) -> Candidate:
    found = lanes([RENTED, *known], [], Overrides(slots=2, kind=kind), PLACES)
    return next(lane for lane in found if lane.state == state)


def width(term: Term) -> float:
    low, high = term.interval
    return high / low


def day(number: int) -> str:
    return f"2026-11-{number:02}T09:00:00+00:00"


def days(count: int, **known: object) -> list[Measurement]:
    return [bring_up(taken_at=day(1 + number), **known) for number in range(count)]  # type: ignore[arg-type]


def test_without_bring_ups_other_start_states_rest_on_priors() -> None:
    for state in ("cold", "stopped", "new"):
        found = startup(state=state)
        assert (found.origin, found.samples, found.taken_at) == ("assumed", 0, None)
        assert found.how.startswith("prior of a ")
    low, high = startup().interval
    assert low > priors.BOOT_S[0] + priors.INSTALL_S[0]
    assert high < priors.BOOT_S[1] + priors.INSTALL_S[1] + priors.COLD_S[1]


def test_three_bring_ups_take_the_place_of_the_priors() -> None:
    found = startup(*days(3, machine_s=60.0, image_s=200.0, container_s=20.0))
    assert found.median == pytest.approx(280 + CLIENT_S, rel=0.03)
    assert (found.origin, found.samples, found.taken_at) == ("measured", 3, day(3))
    assert found.how == (
        "starts: machine 1 min (3), image 3 min 20 s (3, streamed), container 20 s (3)"
    )


def test_a_bring_up_that_took_longer_makes_the_next_one_likely_to() -> None:
    believed, once, often = (startup(*days(k, image_s=300.0)).median for k in (0, 1, 3))
    assert believed < 150 < once < often == pytest.approx(331.5, rel=0.05)


def test_more_bring_ups_make_the_next_one_surer() -> None:
    believed, *widths = [width(startup(*days(k))) for k in (0, 1, 2, 3, 5)]
    assert widths == sorted(widths, reverse=True)
    assert widths[1] < believed, "one says little of how much they differ"
    assert widths[-1] < 0.75 * believed


@pytest.mark.parametrize("state", ["new", "stopped", "cold"])
@pytest.mark.parametrize("count", [1, 3, 5])
def test_nine_of_ten_bring_ups_take_what_is_said(state: str, count: int) -> None:
    assert 0.83 <= float(np.mean([_covered(state, count, seed) for seed in range(150)])) <= 0.99


def _covered(state: str, count: int, seed: int) -> bool:
    """Whether the next bring-up, of a machine whose parts are as the priors have it, took as long
    as was learned from `count` before it.
    """
    luck = random.Random(f"{state} {seed}")
    machine = priors.BOOT_S if state == "new" else priors.STOPPED_S
    parts_s = [_drawn(luck, *ends) for ends in (machine, priors.INSTALL_S, priors.COLD_S)]
    if state != "new":
        parts_s[1] = 0.1

    def came_up(number: int) -> Measurement:
        slow = math.exp(luck.gauss(0, 0.25))
        took_s = [slow * part_s for part_s in parts_s]
        took_s[0] *= state != "cold"
        return bring_up(
            state, *took_s, image="built" if state == "new" else "present", taken_at=day(1 + number)
        )

    known = [came_up(number) for number in range(count)]
    low, high = startup(*known, state=state).interval
    (following,) = came_up(count).starts
    skipped_s = 0.0 if state == "new" else following.phases["image"]
    return low <= following.startup_s - skipped_s + CLIENT_S <= high


def _drawn(luck: random.Random, low: float, high: float) -> float:
    middle, reach = math.log(low * high) / 2, math.log(high / low) / 2
    return math.exp(luck.gauss(middle, reach / 1.645))


def test_only_the_newest_five_bring_ups_count() -> None:
    older = [bring_up(image_s=999.0, taken_at=day(number)) for number in range(1, 9)]
    newer = [bring_up(taken_at=day(number)) for number in range(11, 16)]
    assert startup(*older, *newer).median == pytest.approx(startup(*newer).median)


def test_the_image_gets_there_as_it_did_last() -> None:
    built = [bring_up(image="built", image_s=200.0, taken_at=day(1 + n)) for n in range(3)]
    streamed = [bring_up(image="streamed", image_s=20.0, taken_at=day(5 + n)) for n in range(3)]
    assert startup(*built, *streamed).median == pytest.approx(51.5, rel=0.05)
    assert startup(*streamed, *days(3, image="built", image_s=200.0)).median < 60
    later = [replace(each, taken_at=day(10)) for each in built]
    assert startup(*streamed, *later).median == pytest.approx(231.5, rel=0.05)


def test_a_machine_that_was_stopped_has_its_image_already() -> None:
    found = startup(*days(3, came_from="stopped", image_s=0.2, image="present"), state="stopped")
    assert found.median == pytest.approx(31.5, rel=0.03)
    assert found.how == "starts: machine 27 s (3), container 4 s (3)"


def test_phases_tell_of_other_start_states() -> None:
    known = days(3, machine_s=60.0, container_s=20.0)
    cold, stopped = (startup(*known, state=state) for state in ("cold", "stopped"))
    assert (cold.origin, cold.samples) == ("measured", 3)
    assert cold.median == pytest.approx(20.5, rel=0.03)
    assert stopped.origin == "assumed", "to start one is not to make one"
    assert startup(state="stopped").median < stopped.median < 85
    assert "container 20 s (3)" in stopped.how
    assert "machine 1 min (unlike 3)" in stopped.how


def test_building_the_image_here_is_no_part_of_the_next_bring_up() -> None:
    def built(up: Measurement) -> Measurement:
        (start,) = up.starts
        phases = {**start.phases, "build": 90.0}
        return replace(up, starts=(replace(start, startup_s=start.startup_s + 90, phases=phases),))

    usual = days(3)
    assert startup(*map(built, usual)).median == pytest.approx(startup(*usual).median)


def test_the_state_itself_tells_more_than_another() -> None:
    made = days(5, machine_s=60.0)
    begun = bring_up("stopped", machine_s=20.0, image_s=0.1, image="present", taken_at=day(1))
    assert startup(*made, begun, state="stopped").median < 35


def test_a_machine_of_another_kind_tells_less() -> None:
    ours, theirs = (startup(*days(3, image_s=200.0, url=url)) for url in (LABEL, OTHER))
    assert ours.origin == "measured"
    assert theirs.origin == "assumed"
    assert startup().median < theirs.median < ours.median
    assert width(ours) < width(theirs)
    both = startup(*days(3, image_s=200.0), *days(5, image_s=999.0, url=OTHER))
    assert both.median == pytest.approx(ours.median, rel=0.02)


def test_what_a_machine_is_brought_up_for_is_learned_before_it_was_measured() -> None:
    found = lanes([local(), *days(3)], [], Overrides(slots=2, kind=KIND), PLACES)
    new = next(lane for lane in found if lane.state == "new")
    assert (new.choosable, new.key) == (True, "")
    assert new.startup_s.samples == 3
    assert new.startup_s.origin == "assumed", "nobody measured how a client starts"


@pytest.mark.parametrize("came_from", ["new", "stopped", "cold"])
def test_a_bring_up_is_no_measurement_of_a_place(came_from: str) -> None:
    up = bring_up(came_from, taken_at=day(28))
    assert up.condition.key == RENTED.condition.key
    unmeasured = advised(local(), up)
    assert _said(unmeasured) == _said(advised(local()))
    assert machine([local(), up], Overrides(slots=2), PLACES) is None
    measured, known = (advised(local(), RENTED, *more) for more in ([], [up] * 9))
    assert _said(measured) == _said(known)
    for before, after in zip(_ready(measured), _ready(known), strict=True):
        for name, term in before.terms().items():
            assert np.array_equal(term.draws, after.terms()[name].draws), name
        assert before.phases == after.phases


def _said(advice: Advice) -> list[tuple[str, str, bool]]:
    return [(o.lane.name, o.lane.key, o.lane.choosable) for o in advice.options]


def _ready(advice: Advice) -> list[Candidate]:
    found = [o.lane for o in advice.options if isinstance(o.lane, Candidate)]
    return [lane for lane in found if lane.state in {"here", "warm"}]


def test_a_bring_up_elsewhere_does_not_hide_the_server_that_was_measured() -> None:
    known = [local(), remote(), bring_up(taken_at=day(28))]
    assert machine(known, Overrides(slots=2), PLACES) is None
    there = [x for x in lanes(known, [], Overrides(slots=2), PLACES) if x.place == "remote"]
    assert [lane.key for lane in there if lane.state == "warm"] == [remote().condition.key]


@cache
def _rented() -> Advice:
    billing = Billing(0.36, "as provisioned", idle_s=600, disk_gb=30)
    by_hand = Overrides(slots=2, kind=KIND)
    return advised(local(), RENTED, *days(3), by_hand=by_hand, billing=billing)


def test_a_rented_machine_costs_what_it_is_busy_and_one_to_be_started_all_of_its_start() -> None:
    options = {o.lane.state: o for o in _rented().options if o.lane.place == "remote"}
    ready, new = options["warm"], options["new"]
    hourly = 0.36 + 0.005 + 30 * 0.08 / 730
    assert ready.usd == pytest.approx(ready.seconds * hourly / 3600)
    assert new.usd == pytest.approx((new.seconds + 600) * hourly / 3600)
    assert new.seconds > 76
