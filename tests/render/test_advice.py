import datetime
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from PIL import Image

from offload.costmodel.advice import Advice
from offload.costmodel.advice import document as as_document
from offload.costmodel.breakeven import BreakEven
from offload.costmodel.candidates.build import Overrides
from offload.costmodel.dollars import Billing
from offload.costmodel.terms import Candidate
from offload.domain.errors import UsageError
from offload.domain.measurements import Agreement
from offload.domain.prices import CallPrice
from offload.render import words
from offload.render.advice import advice as rendered
from offload.render.advice import options, plots
from offload.render.advice.options import NAMES
from tests.measured import KIND, PLACES, advised, container, local, measurement, remote

NOW = datetime.datetime(2026, 11, 21, 9, 3, 10, tzinfo=datetime.UTC)
MEASURED = (local(), container(), remote())
CALLS = CallPrice(2e-7, 2.9e-5, "1769 MB", "2026-11-01")
ALIKE, UNLIKE = Agreement(99, 1, 0), Agreement(50, 30, 20)


def shown(capsys: pytest.CaptureFixture[str], advice: Advice, **how: Any) -> str:
    rendered.show(advice, now=NOW, **how)
    return capsys.readouterr().out


def copies(side_px: int, agreement: Agreement = ALIKE) -> Any:
    """Smaller copies that were sent."""
    return remote(max_side_px=side_px, image_bytes=20_000, agreements=[agreement])


def row(text: str, place: str) -> str:
    (found,) = [line for line in text.splitlines() if line.startswith(f"{place}  ")]
    return found


def test_the_first_line_names_model_place_time_dollars_and_confidence() -> None:
    sentence = rendered.sentence(advised(*MEASURED))
    assert re.fullmatch(
        r"Run builtin here: 200 images in 2\.\d s, \$0, high confidence\.", sentence
    )


def test_the_command_stands_below_the_first_line_by_itself(
    capsys: pytest.CaptureFixture[str],
) -> None:
    typed = "offload detect PHOTOS --where local --model builtin"
    first, second, *_ = shown(capsys, replace(advised(*MEASURED), command=typed)).splitlines()
    assert first.startswith("Run builtin here")
    assert second == f"  {typed}"


def test_what_the_bottleneck_of_the_chosen_place_means_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    slow_server = shown(capsys, advised(local(service_s=3), remote(service_s=1, bytes_per_s=2e7)))
    assert slow_server.startswith("Run builtin remotely: 200 images in ")
    assert (
        "\nRemote: the machine is the bottleneck: a faster uplink does not help.\n" in slow_server
    )
    assert "is the bottleneck" not in shown(capsys, advised(local(), remote()))


@pytest.mark.parametrize(
    ("winner", "begins"),
    [
        (local(), "Run builtin here: "),
        (container(service_s=0.005), "Run builtin in a container here: "),
        (remote(bytes_per_s=1e9, service_s=0.005), "Run builtin remotely: "),
    ],
)
def test_every_place_can_win(winner: Any, begins: str) -> None:
    slow = (local(service_s=0.9), container(service_s=0.9), remote(bytes_per_s=1e5))
    others = [m for m in slow if m.condition.place != winner.condition.place]
    assert rendered.sentence(advised(winner, *others)).startswith(begins)


def test_what_is_too_close_to_call_goes_to_the_simpler_place_with_low_confidence() -> None:
    close = advised(local(), container(startup_s=0.4, first_s=0.03))
    assert close.choice.too_close
    assert rendered.sentence(close).startswith("Run builtin here: ")
    assert rendered.sentence(close).endswith(", low confidence.")
    assert re.fullmatch(
        r"too close to call \(local \d+ %, container \d+ %\), and this is the simpler place",
        rendered.why(close),
    )
    assert "low confidence: too close to call" in rendered.one_line(close)


def test_limits_that_cannot_be_kept_say_by_how_much(capsys: pytest.CaptureFixture[str]) -> None:
    hopeless = shown(capsys, advised(local(), remote(), deadline_s=1.0))
    assert ", $0, 1.5 s late, low confidence.\n" in hopeless
    assert "\nLow confidence: nothing meets the limits, this comes closest.\n" in hopeless
    assert "1.5 s late" in row(hopeless, "local")
    dear = advised(
        local(service_s=9), remote(bytes_per_s=1e8),
        deadline_s=60.0, max_cost_usd=0.00001,
    )  # fmt: skip
    assert " over budget, low confidence." in rendered.sentence(dear)


def test_the_only_place_within_the_limits_has_no_high_confidence() -> None:
    alone = advised(local(), remote(), deadline_s=10.0)
    assert rendered.sentence(alone).endswith(", medium confidence.")
    assert rendered.why(alone) == "nothing else meets the limits"


def test_where_nothing_else_was_measured_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, advised(local(), by_hand=Overrides(slots=2, may_rent=False)))
    assert "\nMedium confidence: no other place was measured.\n" in text
    assert "best in" not in text, "there is nothing that it could be best of"


def test_what_nobody_measured_has_low_confidence() -> None:
    assert rendered.sentence(advised()).endswith(", low confidence.")
    assert rendered.why(advised()) == "nothing was measured with builtin"


def test_an_assumption_that_decides_is_named() -> None:
    unprobed = replace(remote(service_s=0.01), probes=(), images=remote().images[:1])
    found = advised(local(), unprobed)
    assert found.confidence != "high"
    assert "uplink and round trip" in rendered.why(found)
    assert rendered.why(found).endswith(" of remote are assumed")


def test_one_image_is_one() -> None:
    assert ": 1 image in " in rendered.one_line(advised(*MEASURED, images=1))
    assert ": 2 images in " in rendered.one_line(advised(*MEASURED, images=2))


def test_one_line_says_what_is_about_to_be_done() -> None:
    line = rendered.one_line(advised(*MEASURED))
    assert re.fullmatch(
        r"Running builtin here: 200 images in 2\.\d s \(2\.\d to 2\.\d\), \$0, high confidence",
        line,
    )


def test_the_table_has_the_best_options_and_no_others(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, advised(*MEASURED))
    lines = text.splitlines()
    assert lines[1] == ""
    assert re.split(r"  +", lines[2].rstrip()) == [
        "place", "total time (90 %)", "cost", "best in", "bottleneck",
    ]  # fmt: skip
    assert [line.split()[0] for line in lines[3:6]] == ["local", "container", "remote"]
    assert lines[6].startswith("lambda, if cold  "), "what nobody measured has one row, the last"
    assert lines[7] == ""
    assert " 100 % " in row(text, "local")


def test_at_most_four_rows_are_shown_and_the_rest_is_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    job = advised(local(), container(), remote(), *map(copies, (1280, 640, 320)))
    lines = shown(capsys, job).splitlines()
    assert lines[8] == "2 more rows: --explain"
    every = shown(capsys, job, explain=True)
    assert all(row(every, f"remote ({side_px} px)") for side_px in (1280, 640, 320))


@pytest.mark.parametrize("images", [1, 200, 20_000, 5_000_000])
def test_the_usual_table_fits_80_columns(images: int, capsys: pytest.CaptureFixture[str]) -> None:
    slow = local(service_s=0.15)
    state = Overrides(slots=2, state="new")
    for by_hand in (Overrides(slots=2), state):
        job = advised(slow, container(), remote(), split=True, images=images, by_hand=by_hand)
        table = shown(capsys, job).partition("\n\n")[2].partition("\n\n")[0]
        assert max(len(line.rstrip()) for line in table.splitlines()) <= 80


def test_explaining_has_a_line_for_each_option(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, advised(*MEASURED), explain=True)
    for name in ("container", "remote", "remote, if stopped", "remote, if not provisioned"):
        assert row(text, name)
    assert "%" not in row(text, "remote, if stopped")


@pytest.mark.parametrize("explain", [False, True])
def test_machines_have_one_row_as_they_would_be_rented_where_none_may_be(
    explain: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody = Overrides(slots=2, may_rent=False)
    for known in ((local(),), (local(), remote()), ()):
        text = shown(capsys, advised(*known, by_hand=nobody), explain=explain)
        assert not re.search("remote.*(stopped|running but cold)", text)
        assert text.count("\nremote, if not provisioned  ") == (len(known) < 2)


def test_a_server_on_this_very_machine_is_said_to_be_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    job = advised(local(service_s=3), remote(service_s=0.5, bytes_per_s=1e9))
    key = job.choice.chosen.lane.key
    text = shown(capsys, replace(job, served_here=frozenset({key})))
    assert text.startswith("Run builtin at the server on this machine: ")
    assert row(text, "remote (this machine)")
    assert " or more, remote stays" not in text, "its link is none"


def test_a_piped_table_is_not_cut_at_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, advised(*MEASURED))
    assert row(text, "remote").rstrip().endswith("uplink")
    assert text.splitlines()[0] == rendered.sentence(advised(*MEASURED))


def test_smaller_copies_show_their_agreement_and_are_taken_only_if_alike_enough(
    capsys: pytest.CaptureFixture[str],
) -> None:
    job = advised(local(service_s=1), remote(), copies(640, ALIKE), copies(320, UNLIKE))
    text = shown(capsys, job, explain=True)
    assert text.startswith("Run builtin remotely (640 px): ")
    assert row(text, "remote (640 px)").rstrip().endswith("0.99")
    assert row(text, "remote (320 px), if similar enough").rstrip().endswith("0.67")
    stopped = advised(remote(), copies(640, ALIKE), by_hand=Overrides(state="stopped"))
    assert row(shown(capsys, stopped, explain=True), "remote (640 px), if ready")


def test_where_nothing_is_billed_the_table_has_no_dollars(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = shown(capsys, advised(*MEASURED, billing=Billing()), explain=True)
    assert "cost" not in text
    assert "$" not in text.partition("\n")[2]


def test_places_that_were_not_measured_name_the_command_that_measures_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    nobody = Overrides(may_rent=False)
    text = shown(capsys, replace(advised(by_hand=nobody), model_option="builtin"))
    assert (
        "To measure local and container:\n"
        "  offload profile PHOTOS --where local,container --model builtin\n" in text
    )
    kind = Overrides(kind=KIND)
    text = shown(capsys, advised(by_hand=kind), explain=True)
    assert (
        "To measure remote:\n  offload provision ec2 --instance-type c7i.large --region us-east-1 "
        "&& offload profile PHOTOS --where remote\n" in text
    )
    assert (
        "To set sent per image and uplink and round trip by hand:\n"
        "  offload advise --image-size 170kB --uplink 20Mbit --rtt 30ms\n" in text
    )


def test_a_machine_that_is_up_and_was_not_measured_is_to_be_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = shown(capsys, advised(local(), by_hand=Overrides(slots=2, state="warm"), split=True))
    assert (
        "To measure container and remote:\n  offload profile PHOTOS --where container,remote\n"
        in text
    )


def test_what_was_set_by_hand_is_no_assumption(capsys: pytest.CaptureFixture[str]) -> None:
    by_hand = Overrides(uplink_bytes_per_s=2.5e6, rtt_s=0.03, image_bytes=170e3)
    text = shown(capsys, advised(by_hand=by_hand), explain=True)
    assert "by hand:" not in text
    assert "set by hand" in text


def test_only_of_what_was_not_measured_something_is_assumed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = shown(capsys, advised(*MEASURED, billing=Billing(calls=CALLS)))
    assumed, _, measure = text.partition("\nAssumed: ")[2].partition("\n")
    assert assumed == "lambda is 1769 MB, 10 calls at a time. All assumptions: --explain"
    typed = "offload provision lambda && offload profile PHOTOS --where lambda"
    assert measure == f"To measure lambda:\n  {typed}\n"
    assert text.count("ssum") == 2


def test_a_start_state_is_an_assumption_that_no_profile_replaces(
    capsys: pytest.CaptureFixture[str],
) -> None:
    by_hand = Overrides(slots=2, state="stopped")
    text = shown(capsys, advised(*MEASURED, by_hand=by_hand), explain=True)
    assert rendered.why(advised(*MEASURED, by_hand=by_hand)) == ""
    assert text.count("offload profile") == text.count("offload provision lambda &&")


def test_notes_come_last(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, advised(*MEASURED, stale=["It is \x1b old."]))
    assert text.endswith("\n\nnote: It is \\x1b old.\n")


def test_explaining_holds_every_term_of_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    advice = advised(*MEASURED, split=True)
    text = shown(capsys, advice, explain=True)
    ways = [option.lane for option in advice.options]
    for name, said in NAMES.items():
        assert text.count(f"\n  {said} ") == sum(name in way.terms() for way in ways), name
    assert set(NAMES) == {name for way in ways for name in way.terms()}
    assert "3 min ago" in text
    assert "measured" in text
    assert "prior of a machine that is stopped" in text
    assert "inf" not in text.replace("inference", "")
    assert text.startswith(rendered.sentence(advice))


SPLIT = advised(local(service_s=0.15), remote(), split=True)


def test_a_split_is_said_in_the_first_line_and_how_much_of_it_is_done_here_below(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sentence = rendered.sentence(SPLIT)
    assert sentence.startswith("Run builtin here and remotely at once: 200 images in 8.")
    assert rendered.one_line(SPLIT).startswith("Running builtin here and remotely at once: ")
    assert re.search(
        r"\nShare of the images: (\d+) \(\d+ to \d+\) local, (\d+) \(\d+ to \d+\) remote\.\n"
        r"Each second that this saves over local alone costs \$0\.0000\d+\.\n",
        shown(capsys, SPLIT),
    )


def test_how_much_two_places_slow_each_other_is_an_assumption_that_keeps_confidence_down() -> None:
    assert SPLIT.confidence == "medium"
    assert rendered.why(SPLIT) == "how much the places of a split slow each other down is assumed"


def test_a_split_with_a_machine_that_is_not_ready_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    late = advised(
        local(service_s=0.15), remote(), split=True, images=4000,
        by_hand=Overrides(slots=2, state="new"),
    )  # fmt: skip
    text = shown(capsys, late)
    assert text.startswith(
        "Run builtin here and remotely (not provisioned) at once: 4,000 images in "
    )
    assert row(text, "split (not provisioned)")


def test_a_split_is_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, SPLIT)
    assert " 100 % " in row(text, "split")
    assert row(text, "split").rstrip().endswith("both")
    assert "at most" not in text


def test_a_split_that_gains_too_little_stands_among_the_rest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    job = advised(local(), remote(bytes_per_s=1e5), split=True)
    assert "split" not in shown(capsys, job)
    text = shown(capsys, job, explain=True)
    assert text.startswith("Run builtin here: ")
    assert "%" not in row(text, "split, gains too little")
    assert "Share of the images" not in text


@pytest.mark.parametrize(
    ("limit_usd", "said"),
    [(0.0001, "Within $0.0001, remote can do 43 images at most of a split.\n"),
     (1e-6, "Within $0.000001, remote can do no image of a split.\n")],
)  # fmt: skip
def test_where_the_budget_ends_a_split_is_said(
    limit_usd: float, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    job = advised(local(service_s=0.15), remote(), split=True, max_cost_usd=limit_usd)
    assert said in shown(capsys, job)


def test_explaining_tells_contention_and_where_it_is_from(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = shown(capsys, SPLIT, explain=True)
    assert re.search(
        r"\nsplit: local and remote: 10 workers, 20 in progress +\n  slowdown here", text
    )
    assert re.search(r"slowdown there +\d %  1 to 1\d % +assumed ", text)


def test_explaining_takes_the_bill_apart(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, advised(*MEASURED), explain=True)
    assert "the instance $0.089 (shipped table, 2026-11-01), its IPv4 address $0.005" in text
    assert "billed 1 min at least, and stays 20 min after it" in text
    assert "free up to 100 GB a month" in text
    assert "warning" not in text


def test_an_old_price_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    billing = Billing(0.1, "shipped table", "2026-01-01")
    text = shown(capsys, advised(*MEASURED, billing=billing), explain=True)
    assert "warning: the price is 324 days old" in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "just now"), (59, "just now"), (60, "1 min ago"), (3599, "59 min ago"),
        (7200, "2 h ago"), (200_000, "2 d ago"),
    ],
)  # fmt: skip
def test_ages_are_told_in_their_largest_unit(seconds: float, text: str) -> None:
    taken = NOW - datetime.timedelta(seconds=seconds)
    assert options.ago(taken.isoformat(), NOW) == text


@pytest.mark.parametrize(
    "measured", [(), (local(),), (remote(),), MEASURED], ids=["none", "local", "remote", "all"]
)
def test_json_holds_nothing_but_numbers_that_json_has(
    measured: Sequence[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    advice = advised(*measured)
    rendered.show(advice, as_json=True)
    document = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert document == json.loads(json.dumps(as_document(advice), allow_nan=False))
    assert document["kind"] == "advice"
    assert {o["name"] for o in document["options"]} == {o.lane.name for o in advice.options}


def flip(quantity: str, value: float | None, **other: Any) -> BreakEven:
    known: dict[str, Any] = {
        "unit": "", "base": "local", "other": "remote", "low": None, "high": None, "never": 0.0,
        "faster": "above",
    } | other  # fmt: skip
    return BreakEven(quantity, value=value, **known)


HERE_WINS = advised(local(), remote())
THERE_WINS = advised(local(service_s=3), remote())


@pytest.mark.parametrize(
    ("advice", "point", "sentence"),
    [
        (
            HERE_WINS, flip("images", 412, low=380, high=460),
            "From 412 images on, remote is faster than local (380 to 460).",
        ),
        (
            HERE_WINS, flip("images", 54_321, low=380, high=123_456, faster="below"),
            "From 54,300 images on, local is faster than remote (380 to 123,000).",
        ),
        (
            HERE_WINS, flip("images", None, never=1.0),
            "At any number of images, local is faster than remote.",
        ),
        (
            THERE_WINS, flip("images", None, never=0.8, other="remote, stopped"),
            "At any number of images, remote (stopped) is faster than local, in 80 % of cases.",
        ),
        (
            HERE_WINS, flip("uplink", 2.25e6, low=1.9e6, high=2.75e6),
            "With an uplink of 18 Mbit/s or more, remote is faster than local (15.2 to 22).",
        ),
        (
            THERE_WINS, flip("uplink", 2.25e6, never=0.09),
            ("With an uplink of 18 Mbit/s or more, remote stays faster than local (no such value "
            "in 9 % of cases)."),
        ),
        (
            HERE_WINS, flip("image size", 2e4, low=900, high=3e4, faster="below", never=0.1),
            ("With images of 20 kB or less, remote is faster than local (900 B to 30 kB; no "
            "such value in 10 % of cases)."),
        ),
        (
            THERE_WINS, flip("image size", 5e5, faster="below"),
            "With images of up to 500 kB, remote stays faster than local.",
        ),
        (HERE_WINS, flip("uplink", None), "At any uplink, local is faster than remote."),
        (
            THERE_WINS, flip("value of an hour", 12.4, low=10, high=15),
            "If an hour of your time is worth $12.40 or more, remote pays ($10.00 to $15.00).",
        ),
        (
            THERE_WINS, flip("price", 0.12, faster="below"),
            "If its machine costs $0.12 an hour or less, remote pays.",
        ),
        (
            HERE_WINS, flip("price", None, faster="below"),
            "At any price of the machine, local is better.",
        ),
    ],
)  # fmt: skip
def test_a_break_even_is_a_sentence(advice: Advice, point: BreakEven, sentence: str) -> None:
    assert rendered.break_even(advice, point) == sentence


def test_what_no_value_changes_is_not_worth_a_line() -> None:
    assert not [line for line in rendered.break_evens(HERE_WINS, every=False) if "any" in line]
    lines = list(rendered.break_evens(HERE_WINS, every=True))
    assert [line for line in lines if "any number" in line] == [
        "At any number of images, local is faster than remote."
    ]
    assert not any("(stopped)" in line for line in rendered.break_evens(THERE_WINS, every=False))
    assert sum("(stopped)" in line for line in rendered.break_evens(THERE_WINS, every=True)) == 1


def test_an_hour_that_is_worth_nothing_is_not_worth_a_line() -> None:
    free = advised(local(service_s=3), remote(), billing=Billing(0.1, assumed=True))
    for every in (False, True):
        assert not any("$0 or more" in line for line in rendered.break_evens(free, every=every))


@pytest.mark.parametrize(
    ("seconds", "interval", "text"),
    [
        (2.43, (2.21, 2.67), "2.4 s (2.2 to 2.7)"),
        (58, (45, 70), "58 s (45 to 70)"),
        (125, (65, 185), "2.1 min (1.1 to 3.1)"),
        (24_400, (20_000, 30_000), "6.8 h (5.6 to 8.3)"),
        (0.0311, (0.0309, 0.0315), "31.1 ms (30.9 to 31.5)"),
        (3, None, "3 s"),
    ],
)
def test_a_duration_and_its_interval_have_one_unit(
    seconds: float, interval: tuple[float, float] | None, text: str
) -> None:
    assert words.took(seconds, interval) == text


@pytest.mark.parametrize(
    ("value", "interval", "text"),
    [
        (2.43, (2.21, 2.67), "2.4 s (2.2 to 2.7)"),
        (58, (45, 70), "58 s (45 s to 1 min 10 s)"),
        (125, (65, 185), "2 min 5 s (1 min 5 s to 3 min 5 s)"),
        (3, (3, 3), "3 s"),
    ],
)
def test_an_interval_repeats_no_unit(
    value: float, interval: tuple[float, float], text: str
) -> None:
    assert words.between(value, interval, words.SHOW["s"]) == text


@pytest.mark.parametrize(
    ("share", "text"), [(1, "100 %"), (0.998, ">99 %"), (0.5, "50 %"), (0.001, "<1 %"), (0, "0 %")]
)
def test_only_what_is_certain_is_none_or_all(share: float, text: str) -> None:
    assert words.percent(share) == text


PLOTTED: dict[str, Callable[[], Advice]] = {
    "everything measured": lambda: advised(*MEASURED),
    "one place measured": lambda: advised(local()),
    "only remote measured": lambda: advised(remote()),
    "nothing measured": advised,
    "lines that cross": lambda: advised(local(service_s=0.3), remote(bytes_per_s=2e6, startup_s=8)),
    "lines that never cross": lambda: HERE_WINS,
    "one image": lambda: advised(*MEASURED, images=1),
    "a million images of known weight": lambda: advised(*MEASURED, images=10**6, total_bytes=2e11),
    "an uplink by hand": lambda: advised(
        *MEASURED, by_hand=Overrides(slots=2, uplink_bytes_per_s=1e6, rtt_s=0.0)
    ),
    "a split": lambda: SPLIT,
    "a split with a machine that is not ready": lambda: advised(
        local(service_s=0.15), remote(), split=True, by_hand=Overrides(slots=2, state="stopped")
    ),
    "smaller copies": lambda: advised(
        local(), remote(), remote(max_side_px=640, image_bytes=20_000, agreements=[ALIKE])
    ),
}


@pytest.mark.parametrize("what", PLOTTED)
def test_a_plot_is_drawn_of(what: str, tmp_path: Path) -> None:
    plots.advice(str(tmp_path / "plot.PNG"), PLOTTED[what]())
    with Image.open(tmp_path / "plot.PNG") as image:
        assert image.format == "PNG"
        assert image.width > image.height > 500


def test_an_svg_says_where_the_answer_flips_and_is_the_same_every_time(tmp_path: Path) -> None:
    crossing = PLOTTED["lines that cross"]()
    plots.advice(str(tmp_path / "a.svg"), crossing)
    plots.advice(str(tmp_path / "b.svg"), crossing)
    text = (tmp_path / "a.svg").read_text()
    assert text == (tmp_path / "b.svg").read_text()
    assert ET.fromstring(text).tag.endswith("svg")
    for said in ("images on, remote is faster than local", "this job: 200 images", "measured: "):
        assert said in text
    assert str(datetime.date.today().year) not in text.partition("</metadata>")[0]


@pytest.mark.parametrize(("bytes_per_s", "drawn"), [(2.5e6, True), (1e5, False)])
def test_a_plot_has_a_line_for_a_split_that_may_be_chosen(
    bytes_per_s: float, drawn: bool, tmp_path: Path
) -> None:
    answer = advised(local(service_s=0.15), remote(bytes_per_s=bytes_per_s), split=True)
    plots.advice(str(tmp_path / "plot.svg"), answer)
    assert ("split: local and remote" in (tmp_path / "plot.svg").read_text()) == drawn


def test_plotting_leaves_no_trace_in_matplotlib(tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    plots.advice(str(tmp_path / "plot.svg"), HERE_WINS)
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("name", ["plot.pdf", "plot", "png"])
def test_other_kinds_of_plot_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"A plot is a \.png or an \.svg file, not ") as caught:
        plots.advice(str(tmp_path / name), HERE_WINS)
    assert "--plot advice.svg" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_a_plot_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match="cannot be written"):
        plots.advice(str(tmp_path / "file" / "plot.png"), HERE_WINS)


def test_a_place_that_nobody_declared_is_shown_like_any_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    toy = measurement("toy", bytes_per_s=2.5e6, rtt_s=0.02, slots=8, in_flight=18)
    advice = advised(local(service_s=3), toy, remote())
    assert row(shown(capsys, advice, explain=True), "toy, if ready").rstrip().endswith("uplink")
    rendered.show(advice, as_json=True)
    options = json.loads(capsys.readouterr().out)["options"]
    assert "toy" in {option["place"] for option in options}
    plots.advice(str(tmp_path / "plot.svg"), advice)
    ET.parse(tmp_path / "plot.svg")


@pytest.mark.parametrize(("place", "where"), [("toy", "at toy"), ("container", "in a container")])
def test_where_to_run_follows_from_what_a_place_is(place: str, where: str) -> None:
    advice = advised(*MEASURED)
    lane = replace(first_choice(advice, "container"), traits=PLACES[place], name=place)
    option = replace(advice.choice.chosen, lane=lane)
    chosen = replace(advice.choice, chosen=option, p_best={place: 1.0}, expected_loss={place: 0.0})
    sentence = rendered.sentence(replace(advice, choice=chosen))
    assert sentence.startswith(f"Run builtin {where}")


def first_choice(advice: Advice, place: str) -> Candidate:
    """The candidate of a place."""
    lanes = (option.lane for option in advice.options)
    return next(x for x in lanes if isinstance(x, Candidate) and x.place == place)
