"""Predictions beside outcomes, as a table or as JSON."""

from collections.abc import Sequence
from dataclasses import asdict

from offload.costmodel.accuracy import accuracy
from offload.domain.measurements import Outcome
from offload.domain.units import show_s, show_usd
from offload.render import tables
from offload.render.words import count


def show(outcomes: Sequence[Outcome], *, as_json: bool) -> None:
    """A line for each run, then a summary for each place."""
    summaries = accuracy(outcomes)
    if as_json:
        return tables.write_json(
            {
                "kind": "accuracy",
                "runs": [o.to_json() for o in outcomes],
                "places": [asdict(summary) for summary in summaries],
            }
        )
    if not outcomes:
        print(_NOTHING)  # noqa: T201 - this is where we print
        return None
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    billed = any(o.actual_usd for o in outcomes)
    dollars = ("to cost", "cost") if billed else ()
    for column in ("when", "place", "images", "predicted", "90 %", "took", "error", *dollars, ""):
        table.add_column(column, justify="left" if column in {"when", "place", ""} else "right")
    for o in outcomes:
        within = o.low_s <= o.actual_s <= o.high_s
        usd = (show_usd(o.predicted_usd), show_usd(o.actual_usd)) if billed else ()
        table.add_row(
            o.taken_at[:16].replace("T", " "),
            o.place,
            str(o.images),
            show_s(o.predicted_s),
            f"{show_s(o.low_s)} to {show_s(o.high_s)}",
            show_s(o.actual_s),
            f"{o.actual_s / o.predicted_s - 1:+.1%}",
            *usd,
            "assumed" if o.assumed else ("" if within else "outside"),
        )
    tables.print_table(table)
    for s in summaries:
        more = s.runs < sum(o.place == s.place for o in outcomes)
        how_many = f"{s.assumed} more" if more else "all"
        assumed = f", {how_many} rest on assumptions" if s.assumed else ""
        print(  # noqa: T201 - this is where we print
            f"{s.place}: {count(s.runs, 'run')}, median error {s.median_error:.1%}, "
            f"p90 {s.p90_error:.1%}, bias {s.bias:+.1%}, "
            f"{s.covered:.0%} within the 90 % interval{assumed}"
        )
    return None


_NOTHING = (
    "No run was predicted yet: predictions begin once a place is measured.\n"
    "To measure one: offload profile PHOTOS --where local"
)
