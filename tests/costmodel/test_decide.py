from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offload.costmodel.advice import document as as_document
from offload.costmodel.candidates.build import Overrides, lanes
from offload.costmodel.decide import Choice, Goal, Option, choose, options
from offload.costmodel.dollars import Billing
from offload.costmodel.terms import DRAWS, Candidate, Draws
from offload.domain.measurements import Agreement, Measurement
from tests.costmodel import worlds
from tests.measured import PLACES, advised, container, local, remote

ALL, MOST = Agreement(100, 0, 0), Agreement(90, 10, 10)
_SHARES = (np.arange(DRAWS) + 0.5) / DRAWS


def option(place: str, draws_s: Draws, usd: float = 0.0, *, px: int | None = None) -> Option:
    """What a job would take, as it was drawn."""
    lane = worlds.lane(place=place, name=place if px is None else f"{place}, {px} px")
    mean_s, draws_usd = float(draws_s.mean()), np.full(DRAWS, usd)
    return Option(
        replace(lane, upload_max_side_px=px), draws_s, draws_usd, mean_s, mean_s, mean_s, usd, usd,
        usd, "uplink",
    )  # fmt: skip


def evenly(low_s: float, high_s: float, *, backwards: bool = False) -> Draws:
    """Draws between two values."""
    shares = 1 - _SHARES if backwards else _SHARES
    return low_s + (high_s - low_s) * shares


def chosen(*candidates: Option, **goal: Any) -> Choice:
    return choose(candidates, Goal(100, **goal))


def names(lanes: list[Candidate]) -> list[str]:
    return [lane.name for lane in lanes if lane.choosable]


UNPROBED = replace(remote(service_s=0.01), probes=(), images=remote().images[:1])
"""A server whose uplink nobody knows."""


def test_confidence_is_high_where_all_that_decides_was_measured() -> None:
    assert advised(local(), container(), remote()).confidence == "high"


@pytest.mark.parametrize(
    ("known", "by_hand", "confidence"),
    [
        ((), Overrides(slots=2), "low"),
        ((local(),), Overrides(slots=2, may_rent=False), "medium"),
        ((local(service_s=0.6), UNPROBED), Overrides(slots=2), "low"),
        ((local(service_s=0.6), UNPROBED), Overrides(slots=2, uplink_bytes_per_s=2e6), "medium"),
        ((local(service_s=0.15), remote(service_s=0.15)), Overrides(slots=2, state="new"), "high"),
    ],
    ids=["nothing", "one place", "no uplink", "no round trip", "a start that cannot matter"],
)
def test_confidence_is_not_high_while_a_term_that_decides_is_assumed(
    known: Sequence[Measurement], by_hand: Overrides, confidence: str
) -> None:
    found = advised(*known, by_hand=by_hand)
    assert found.confidence == confidence
    assert as_document(found)["choice"]["confidence"] == confidence


def test_what_is_assumed_of_a_place_that_never_wins_does_not_decide() -> None:
    found = advised(local(), UNPROBED, by_hand=Overrides(slots=2, uplink_bytes_per_s=1e4))
    assert "rtt_s" in found.options[2].lane.assumptions
    assert (found.deciding, found.confidence) == ([], "high")


def test_what_is_too_close_to_call_or_misses_a_limit_has_low_confidence() -> None:
    close = advised(local(), container(startup_s=0.4, first_s=0.03))
    late = advised(local(), remote(), deadline_s=1.0)
    assert (close.confidence, late.confidence) == ("low", "low")


def test_the_faster_place_is_taken_where_that_is_sure() -> None:
    choice = chosen(option("local", evenly(10, 12)), option("remote", evenly(5, 6)))
    assert choice.chosen.lane.name == choice.best.lane.name == "remote"
    assert not choice.too_close
    assert choice.p_best == {"local": 0, "remote": 1}
    assert choice.expected_loss == {"local": pytest.approx(5.5), "remote": 0}


def test_the_simpler_place_is_taken_where_it_is_too_close_to_call() -> None:
    choice = chosen(
        option("local", evenly(9.9, 10.3)), option("remote", evenly(9.9, 10.2, backwards=True))
    )
    assert choice.best.lane.name == "remote"
    assert choice.chosen.lane.name == "local"
    assert choice.too_close


def test_a_simpler_place_that_would_lose_much_is_not_taken() -> None:
    choice = chosen(option("local", evenly(9, 15)), option("remote", evenly(6, 14, backwards=True)))
    assert max(choice.p_best.values()) < 0.8
    assert choice.chosen.lane.name == "remote"
    assert not choice.too_close


def test_of_two_uploads_that_are_too_close_to_call_the_images_themselves_are_sent() -> None:
    smaller = option("remote", evenly(9.9, 10.2), px=640)
    choice = chosen(smaller, option("remote", evenly(9.9, 10.3, backwards=True)))
    assert choice.chosen.lane.name == "remote"


def test_what_cannot_keep_the_limits_is_left_out() -> None:
    slow, fast = option("local", evenly(90, 110)), option("remote", evenly(50, 60), usd=0.1)
    within = replace(slow, late_s=20.0)
    assert chosen(within, fast, optimize="cost", deadline_s=80).chosen.lane.name == "remote"
    assert chosen(slow, fast, optimize="cost").chosen.lane.name == "local"


@pytest.mark.parametrize(
    ("limits", "where"),
    [
        ({"deadline_s": 0.1}, "remote"),
        ({"max_cost_usd": 1e-6, "deadline_s": 1.5}, "local"),
        ({"deadline_s": 0.1, "optimize": "cost"}, "remote"),
    ],
)
def test_where_no_limit_can_be_kept_the_least_violation_is_taken(
    limits: dict[str, Any], where: str
) -> None:
    advice = advised(local(service_s=0.1), remote(bytes_per_s=1e7), images=100, **limits)
    taken = advice.choice.chosen
    assert taken.lane.name == where
    assert not taken.keeps_limits
    assert taken.late_s > 0
    assert as_document(advice)["choice"]["keeps_limits"] is False


def test_what_a_limit_is_missed_by_is_what_is_expected_less_the_limit() -> None:
    (late,) = options(
        [worlds.Sketch().lane()], Goal(100, deadline_s=1, max_cost_usd=0.0001), Billing(1.0)
    )
    assert late.late_s == pytest.approx(late.seconds - 1)
    assert late.over_usd == pytest.approx(late.usd - 0.0001)


def test_an_hour_of_enough_value_turns_the_choice_from_cost_to_time() -> None:
    advice = advised(local(service_s=0.2), remote(bytes_per_s=1e7), images=200)
    worth = next(b.value for b in advice.break_evens if b.quantity == "value of an hour")
    assert worth is not None
    for factor, where in ((0.3, "local"), (3, "remote")):
        again = advised(
            local(service_s=0.2), remote(bytes_per_s=1e7), value_of_time_usd_per_h=factor * worth
        )
        assert again.choice.chosen.lane.name == where
        assert again.choice.unit == "usd"


def test_cost_is_what_it_says() -> None:
    places = local(service_s=0.2), remote(bytes_per_s=1e7)
    assert advised(*places).choice.chosen.lane.name == "remote"
    assert advised(*places, optimize="cost").choice.chosen.lane.name == "local"
    free = advised(*places, optimize="cost", billing=Billing())
    assert free.choice.chosen.lane.name == "remote"


def test_the_averse_prefer_the_narrower() -> None:
    wide, narrow = option("local", evenly(2, 16)), option("remote", evenly(9.4, 9.6))
    assert chosen(wide, narrow).best.lane.name == "local"
    averse = chosen(wide, narrow, risk="averse")
    assert averse.best.lane.name == averse.chosen.lane.name == "remote"


@pytest.mark.parametrize("answers", [MOST, None])
def test_smaller_copies_that_are_answered_otherwise_are_never_sent(
    answers: Agreement | None,
) -> None:
    def where(answers: Agreement | None, **by_hand: Any) -> str:
        agreements = () if answers is None else (answers,)
        smaller = remote(image_bytes=20_000, max_side_px=640, agreements=agreements)
        advice = advised(
            local(service_s=1.0),
            remote(bytes_per_s=2e5),
            smaller,
            by_hand=Overrides(slots=2, **by_hand),
        )
        return advice.choice.chosen.lane.name

    assert where(ALL) == "remote, 640 px"
    assert where(answers) != "remote, 640 px"
    if answers is not None:
        assert where(answers, min_agreement=0.85) == "remote, 640 px"


def test_smaller_copies_are_sent_to_a_machine_that_is_ready_only() -> None:
    measured = remote(), remote(max_side_px=640, agreements=(ALL,))
    assert "remote, 640 px" in names(lanes(measured, [], Overrides(), PLACES))
    assert "remote, 640 px" not in names(lanes(measured, [], Overrides(state="cold"), PLACES))


def test_a_container_that_was_not_measured_is_not_taken() -> None:
    for measured in ([], [local(service_s=9)], [remote()]):
        assert "container" not in names(lanes(measured, [], Overrides(), PLACES))
    assert "container" in names(lanes([container()], [], Overrides(), PLACES))


@pytest.mark.parametrize(
    ("state", "name"),
    [
        (None, "remote"), ("warm", "remote"), ("cold", "remote, running but cold"),
        ("stopped", "remote, stopped"), ("new", "remote, not provisioned"),
    ],
)  # fmt: skip
def test_a_measured_machine_may_be_chosen_in_the_state_that_it_is_in(
    state: str | None, name: str
) -> None:
    assert names(lanes([local(), remote()], [], Overrides(state=state), PLACES)) == ["local", name]


def test_a_machine_that_was_not_measured_may_be_provisioned_and_not_taken_to_be_ready() -> None:
    assert names(lanes([local()], [], Overrides(), PLACES)) == ["local", "remote, not provisioned"]
    assert names(lanes([local()], [], Overrides(state="warm"), PLACES)) == ["local"]


def test_a_later_start_state_only_adds_start_up() -> None:
    found = {
        o.lane.state: o for o in advised(local(), remote()).options if o.lane.place == "remote"
    }
    warm = found["warm"]
    for state in ("cold", "stopped", "new"):
        assert (found[state].draws_s > warm.draws_s).all()
        terms = found[state].lane.terms()
        assert terms["startup_s"].origin == "assumed"
        assert terms["service_s"] is warm.lane.terms()["service_s"]


def test_only_named_places_may_be_chosen() -> None:
    measured = local(), remote()
    assert names(lanes(measured, [], Overrides(places=("local",)), PLACES)) == ["local"]
    assert names(lanes(measured, [], Overrides(places=("remote",)), PLACES)) == ["remote"]


spans = st.lists(
    st.tuples(st.floats(1, 100), st.floats(0, 100), st.booleans(), st.floats(0, 1)),
    min_size=3, max_size=3,
)  # fmt: skip


@given(spans, st.sampled_from([{}, {"optimize": "cost"}, {"value_of_time_usd_per_h": 20.0}]))
def test_probabilities_sum_to_one_and_nothing_is_expected_to_lose_less_than_the_best(
    spans: list[tuple[float, float, bool, float]], goal: dict[str, Any]
) -> None:
    choice = chosen(
        *(
            option(place, evenly(low, low + more, backwards=backwards), usd)
            for place, (low, more, backwards, usd) in zip(
                ("local", "container", "remote"), spans, strict=True
            )
        ),
        **goal,
    )
    assert sum(choice.p_best.values()) == pytest.approx(1)
    least = choice.expected_loss[choice.best.lane.name]
    assert all(least <= lost + 1e-9 for lost in choice.expected_loss.values())
    assert min(choice.expected_loss.values()) >= 0
    assert choice.too_close or choice.chosen is choice.best
