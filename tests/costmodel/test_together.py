import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from offload.costmodel.advice import Advice
from offload.costmodel.advice import document as as_document
from offload.costmodel.candidates.build import Overrides
from offload.costmodel.decide import Option
from offload.costmodel.dollars import Billing
from offload.costmodel.split import Shares, SplitCandidate, makespan_s
from offload.costmodel.split_option import bill_usd
from offload.domain.measurements import Agreement, Measurement, Outcome
from tests.costmodel.test_contention import here as beside_remote
from tests.costmodel.test_contention import there as beside_local
from tests.measured import TAKEN_AT, advised, local, remote

NAME = "split: local and remote"
BILLING = Billing(0.36, "set by hand", idle_s=1200)
SLOW = local(service_s=0.15)
"""About as fast as `remote()` is behind its link."""


def asked(*measurements: Measurement, **how: Any) -> Advice:
    return advised(*measurements, split=True, **how)


def option(advice: Advice, name: str = NAME) -> Option:
    (found,) = (o for o in advice.options if o.lane.name == name)
    return found


def way(advice: Advice) -> tuple[SplitCandidate, Shares]:
    found = advice.split
    assert found is not None
    assert isinstance(found.lane, SplitCandidate)
    assert found.shares is not None
    return found.lane, found.shares


def best_single_s(advice: Advice) -> float:
    singles = [o for o in advice.options if o.lane.choosable and o.shares is None]
    return min(float(o.draws_s.mean()) for o in singles)


def test_a_split_of_equals_takes_about_half_and_is_chosen() -> None:
    advice = asked(SLOW, remote())
    found = option(advice)
    assert advice.choice.chosen is found
    assert 0.5 < found.seconds / best_single_s(advice) < 0.65
    assert advice.choice.p_best[NAME] > 0.95
    assert advice.choice.expected_loss[NAME] < 0.1
    assert found.bottleneck == "both"
    assert sum(advice.choice.p_best.values()) == pytest.approx(1)


@pytest.mark.parametrize("bytes_per_s", [1e5, 3e5, 5e5, 7e5, 1e6, 2e6, 4e6])
def test_it_may_be_chosen_only_where_it_gains_more_than_a_twentieth(bytes_per_s: float) -> None:
    advice = asked(local(), remote(bytes_per_s=bytes_per_s))
    found = option(advice)
    gains = best_single_s(advice) > 1.05 * found.draws_s.mean()
    assert found.lane.choosable == gains == (NAME in advice.choice.p_best)
    assert (advice.choice.chosen is found) == gains


def test_the_grid_of_uplinks_has_both_sides() -> None:
    slow, fast = (option(asked(local(), remote(bytes_per_s=b))) for b in (1e5, 4e6))
    assert (slow.lane.choosable, fast.lane.choosable) == (False, True)


def test_it_is_no_option_where_either_place_may_not_be_chosen() -> None:
    both = SLOW, remote()
    for places in (("local", "split"), ("remote", "split"), ("local", "remote")):
        assert asked(*both, by_hand=Overrides(slots=2, places=places)).split is None
    every = asked(*both, by_hand=Overrides(slots=2, places=("local", "remote", "split")))
    assert every.choice.chosen.lane.place == "split"
    assert asked(SLOW, by_hand=Overrides(slots=2, state="warm")).split is None


def test_smaller_copies_are_sent_where_they_are_faster_and_alike() -> None:
    copies = remote(max_side_px=640, image_bytes=20_000, agreements=[Agreement(100, 0, 0)])
    chosen = asked(SLOW, remote(), copies).choice.chosen.lane
    assert (chosen.name, chosen.upload_max_side_px) == (f"{NAME}, 640 px", 640)
    assert chosen.agreement == 1
    unlike = replace(copies, agreements=(Agreement(50, 50, 0),))
    assert asked(SLOW, remote(), unlike).choice.chosen.lane.name == NAME


def test_a_deadline_that_no_single_place_keeps_may_be_kept_by_two() -> None:
    advice = asked(SLOW, remote(), deadline_s=11.0)
    assert advice.choice.chosen.keeps_limits
    assert list(advice.choice.p_best) == [NAME]
    hopeless = asked(SLOW, remote(), deadline_s=2.0).choice.chosen
    assert hopeless.lane.name == NAME
    assert hopeless.late_s == pytest.approx(hopeless.draws_s.mean() - 2)


def test_where_dollars_count_it_is_not_chosen_but_for_what_it_saves() -> None:
    both = SLOW, remote()
    assert asked(*both, optimize="cost").choice.chosen.lane.name == "local"
    assert asked(*both, optimize="cost", billing=Billing()).choice.chosen.lane.name == NAME
    usd = asked(*both).usd_per_saved_s
    assert usd is not None
    for factor, name in ((0.5, "local"), (1, "local"), (2, NAME)):
        worth = factor * usd * 3600
        choice = asked(*both, value_of_time_usd_per_h=worth).choice
        assert choice.chosen.lane.name == name
        assert choice.too_close == (factor == 1), "a single place is simpler"


def test_a_saved_second_costs_the_dollars_over_the_seconds() -> None:
    advice = asked(SLOW, remote())
    found, alone = option(advice), option(advice, "local")
    assert advice.usd_per_saved_s == pytest.approx(found.usd / (alone.seconds - found.seconds))
    assert asked(SLOW, remote(), billing=Billing()).usd_per_saved_s is None
    assert asked(SLOW).usd_per_saved_s is None


def test_a_budget_caps_what_the_remote_place_gets() -> None:
    free = option(asked(SLOW, remote(), billing=BILLING))
    limit = free.usd / 3
    advice = asked(SLOW, remote(), billing=BILLING, max_cost_usd=limit)
    split, shares = way(advice)
    capped = option(advice)
    assert advice.choice.chosen is capped
    assert capped.over_usd == 0
    assert split.at_most is not None
    assert 0.7 * limit < capped.draws_usd.mean() <= limit
    assert (shares.remote == split.at_most).all()
    one_more = replace(split, at_most=split.at_most + 1)
    assert bill_usd(one_more, one_more.shares(200), BILLING).mean() > limit
    assert free.seconds < capped.seconds < option(advice, "local").seconds
    assert capped.bottleneck == "local"


def test_a_faster_place_that_is_too_dear_does_not_count() -> None:
    fast = remote(bytes_per_s=2e7)
    limit = option(asked(SLOW, fast), "remote").usd / 3
    advice = asked(SLOW, fast, max_cost_usd=limit)
    assert advice.choice.chosen is option(advice)
    assert option(advice).seconds > 2 * option(advice, "remote").seconds


def test_a_budget_that_allows_more_caps_nothing() -> None:
    split, _ = way(asked(SLOW, remote(), max_cost_usd=1.0))
    assert split.at_most is None


def test_a_budget_for_no_image_leaves_the_job_here() -> None:
    advice = asked(SLOW, remote(), billing=BILLING, max_cost_usd=1e-7)
    split, _ = way(advice)
    assert split.at_most == 0
    assert advice.choice.chosen.lane.name == "local"
    assert option(advice).usd == 0
    assert np.array_equal(option(advice).draws_s, option(advice, "local").draws_s)
    never_asked = asked(SLOW, remote(), by_hand=Overrides(slots=2, state="new"), max_cost_usd=1e-7)
    assert option(never_asked, f"{NAME}, not provisioned").usd == 0


def test_a_machine_s_start_hides_behind_work_here_and_is_paid_for() -> None:
    by_hand = Overrides(slots=2, state="new")
    advice = asked(SLOW, remote(), images=4000, by_hand=by_hand, billing=BILLING)
    found = option(advice, f"{NAME}, not provisioned")
    split, shares = way(advice)
    single = option(advice, "remote, not provisioned")
    assert advice.choice.chosen is found
    assert found.lane.state == "new"
    assert found.seconds < 0.75 * min(single.seconds, option(advice, "local").seconds)
    assert float(np.median(shares.remote_s)) > split.remote.startup_s.median
    hourly = 0.36 + 0.005 + 8 * 0.08 / 730
    assert found.usd == pytest.approx(np.median(shares.remote_s) * hourly / 3600, rel=0.01)


def test_a_machine_that_would_be_up_too_late_is_not_started() -> None:
    advice = asked(SLOW, remote(), by_hand=Overrides(slots=2, state="new"), billing=BILLING)
    found = option(advice, f"{NAME}, not provisioned")
    assert advice.choice.chosen.lane.name == "local"
    assert not found.lane.choosable
    assert found.bottleneck == "local"
    assert found.usd >= 60 * 0.36 / 3600


def test_past_errors_of_splits_widen_the_interval_and_those_of_places_do_not() -> None:
    def past(place: str) -> list[Outcome]:
        off = Outcome(TAKEN_AT, "k", place, "builtin", 100, 17_000_000, 10, 9, 11, 20)
        return [off] * 30

    def width(*outcomes: Outcome) -> float:
        found = option(asked(SLOW, remote(), outcomes=outcomes))
        return found.high_s / found.low_s

    assert width(*past("container")) == width()
    assert width(*past("split")) > 1.5 * width()


def test_contention_makes_it_longer_and_may_take_the_gain() -> None:
    plain = option(asked(SLOW, remote())).seconds
    held_up = asked(SLOW, remote(), beside_remote(0.6), beside_local(0.6e6))
    assert option(held_up).seconds > 1.4 * plain
    assert held_up.choice.chosen.lane.name == "remote"
    assert not option(held_up).lane.assumptions


def test_break_evens_are_of_single_places() -> None:
    split, single = asked(SLOW, remote()), advised(SLOW, remote())
    assert split.break_evens == single.break_evens
    assert split.choice.chosen.lane.name == NAME


def test_the_document_tells_shares_and_contention() -> None:
    document = json.loads(json.dumps(as_document(asked(SLOW, remote())), allow_nan=False))
    assert document["choice"]["place"] == "split"
    (found,) = (o for o in document["options"] if o["place"] == "split")
    assert found["name"] == document["choice"]["where"] == NAME
    assert found["state"] == "warm"
    assert sum(found["images"].values()) == 200
    low, high = found["images_interval"]["remote"]
    assert low <= found["images"]["remote"] <= high
    assert found["remote_images_at_most"] is None
    assert found["usd_per_saved_s"] > 0
    assert found["seconds_interval"][0] <= found["seconds"] <= found["seconds_interval"][1]
    assert {name: term["origin"] for name, term in found["terms"].items()} == {
        "local_contention": "assumed", "remote_contention": "assumed",
    }  # fmt: skip
    assert all("images" not in o for o in document["options"] if o is not found)


def test_what_a_way_takes_is_what_its_option_says() -> None:
    advice = asked(SLOW, remote())
    for each in advice.options:
        assert np.array_equal(makespan_s(each.lane, 200), each.draws_s)


def test_where_the_remote_place_would_mostly_get_none_a_split_is_not_taken() -> None:
    advice = asked()
    found = option(advice, f"{NAME}, not provisioned")
    assert np.median(way(advice)[1].remote) == 0
    assert 1.05 * found.draws_s.mean() < best_single_s(advice), "it gains in rare worlds"
    assert not found.lane.choosable


def test_a_split_of_what_was_never_measured_says_so() -> None:
    lane, _ = way(asked(by_hand=Overrides(slots=2)))
    assert not lane.key
    assert {"service_s", "goodput", "local_contention"} <= set(lane.assumptions)
    known, _ = way(asked(SLOW, remote()))
    assert known.key.split() == [SLOW.condition.key, remote().condition.key]
    assert known.assumptions == ["local_contention", "remote_contention"]
