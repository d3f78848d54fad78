"""Predictions beside outcomes, as a table or as JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from offload.costmodel.accuracy import accuracy
from offload.domain.measurements import Outcome
from offload.domain.units import show_s, show_usd
from offload.render import tables
from offload.render.words import count, moment, span

_NOTHING = (
    "No run was predicted yet: measure a place first.",
    "To measure one: offload profile PHOTOS --where local",
)


def show(outcomes: Sequence[Outcome], *, as_json: bool) -> None:
    """A line for each run, then a summary for each place."""
    if as_json:
        runs = [asdict(outcome) for outcome in outcomes]
        places = [asdict(summary) for summary in accuracy(outcomes)]
        return tables.write_json({"kind": "accuracy", "runs": runs, "places": places})
    if not outcomes:
        return tables.print_lines(_NOTHING)
    billed = any(o.actual_usd for o in outcomes)
    dollars = ("to cost", "cost") if billed else ()
    columns = ("when", "place", "images", "predicted", "90 %", "measured", "error", *dollars, "")
    rows = [_cells(outcome, billed=billed) for outcome in outcomes]
    tables.print_table(columns, rows, right={*columns} - {"when", "place", ""}, folded=columns)
    return tables.print_lines(_summaries(outcomes))


def _cells(o: Outcome, *, billed: bool) -> list[str]:
    within = o.low_s <= o.actual_s <= o.high_s
    return [
        moment(o.taken_at), o.place, str(o.images), show_s(o.predicted_s),
        span((o.low_s, o.high_s), show_s), show_s(o.actual_s),
        f"{o.actual_s / o.predicted_s - 1:+.1%}",
        *((show_usd(o.predicted_usd), show_usd(o.actual_usd)) if billed else ()),
        "assumed" if o.assumed else "" if within else "outside",
    ]  # fmt: skip


def _summaries(outcomes: Sequence[Outcome]) -> Iterator[str]:
    for s in accuracy(outcomes):
        more = s.runs < sum(o.place == s.place for o in outcomes)
        how_many = f"{s.assumed} more" if more else "all"
        assumed = f", {how_many} rest on assumptions" if s.assumed else ""
        yield (
            f"{s.place}: {count(s.runs, 'run')}, median error {s.median_error:.1%}, "
            f"p90 {s.p90_error:.1%}, bias {s.bias:+.1%}, "
            f"{s.covered:.0%} within the 90 % interval{assumed}"
        )
