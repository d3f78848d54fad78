"""Results: single transfers, predictions, dollars, and what failed."""

from typing import TYPE_CHECKING

from offload.domain.units import show_rate, show_s, show_usd
from offload.findings import link, predictions
from offload.render.report import figures, telling
from offload.render.report.document import Block, Figure, Table, listing, paragraph, said
from offload.render.report.matter import Matter, took
from offload.render.words import capital, count, percent

if TYPE_CHECKING:
    from offload.findings.study import Lane, Photo

_MOST_REASONS = 4


def transfer(matter: Matter) -> list[Block]:
    """Transfer time against size, over a real link."""
    photos: dict[Lane, list[Photo]] = {x: [] for x in matter.lanes if x.place == "remote"}
    for photo in matter.study.photos:
        if photo.lane in photos:
            photos[photo.lane].append(photo)
    lines = {lane: found for lane, sent in photos.items() if (found := link.line(sent))}
    if not lines:
        return []
    svg = figures.transfer(photos, lines, matter.names)
    told = []
    for lane, line in lines.items():
        name = matter.names.spoken(lane)
        rate = line.bytes_per_s
        told.append(said(
            "To {name}, every further 100 kB take {more} longer, a rate of {rate}; {start} would "
            "remain of an image without any bytes: the round trip, and what a request costs.",
            name=name, more=show_s(line.per_byte_s * 1e5), rate=show_rate(rate) if rate else None,
            start=show_s(line.start_s) if line.start_s > 0 else None,
        ))  # fmt: skip
    images = sum(line.images for line in lines.values())
    slopes = listing([show_s(line.per_byte_s * 1e5) for line in lines.values()])
    where = f" ({listing([matter.names.short(lane) for lane in lines])})" if len(lines) > 1 else ""
    caption = (
        f"Transfer grows with size: by {slopes} for every 100 kB{where}. Dots: some of {images:,} "
        "images; lines: Theil-Sen."
    )
    seen = "@transfer shows the transfer time of single images."
    return [*paragraph(seen, *told), Figure("transfer", svg, caption)]


def predicted(matter: Matter) -> list[Block]:
    """What was said before against what came."""
    runs = predictions.predicted(matter.study.done)
    total = predictions.accuracy(runs)
    if total is None:
        return []
    by_place = []
    for place in matter.study.places():
        here = predictions.accuracy([run for run in runs if run.lane.place == place])
        if here and len(matter.study.places()) > 1:
            by_place.append(f"{percent(here.median_error)} at {place}")
    parts = f" ({listing(by_place)})" if by_place else ""
    told = (
        f"The {total.runs} predictions are off by {percent(total.median_error)} in the median"
        f"{parts}; nine in ten are off by {percent(total.high_error)} or less."
    )
    inside = said(
        "{share} of the runs took a time within the interval that was to hold 90 % of them.",
        share=None if total.within is None else percent(total.within),
    )
    blind = predictions.accuracy(predictions.predicted(runs, assumed=True))
    assumed = said(
        "{runs} of the predictions rest in part on assumptions, and these are off by {error}.",
        runs=blind.runs if blind else None,
        error=percent(blind.median_error) if blind else None,
    )
    choices = predictions.choices(matter.study, matter.lanes)
    chosen = said(
        "Going by them alone would have picked the fastest place for {right} of {made} jobs, and "
        "lost {regret} of the time on average.",
        right=choices.right if choices else None,
        made=choices.made if choices else None,
        regret=percent(choices.regret) if choices else None,
    )
    caption = (
        f"Predictions made beforehand are off by {percent(total.median_error)} in the median. A "
        f"mark is one of {count(total.runs, 'run')}."
    )
    figure = Figure("predictions", figures.predictions(runs), caption)
    seen = "@predictions compares each run with what had been predicted of it."
    return [*paragraph(seen, told, inside, assumed, chosen), figure]


def dollars(matter: Matter) -> list[Block]:
    """What the time costs."""
    bills = matter.bills
    if not bills:
        return []
    images = count(matter.images or 0, "image")
    best = [
        f"{matter.names.spoken(bill.lane)} ({took(bill.seconds)} for {show_usd(bill.usd.value)})"
        for bill in bills
        if bill.best
    ]
    front = (
        f"Of the jobs of {images}, nothing is both faster and cheaper than {listing(best, 'or')}."
    )
    caption = (
        f"{capital(matter.names.spoken(bills[0].lane))} is the fastest for {images}, at "
        f"{show_usd(bills[0].usd.value)}. The dashed line joins what nothing beats in both; hollow "
        "marks are beaten."
    )
    return [
        *paragraph("@dollars weighs time against money.", front, telling.worth_sentence(matter)),
        Figure("dollars", figures.dollars(bills, matter.names), caption),
    ]


def failures(matter: Matter) -> list[Block]:
    """What failed, and why."""
    failed = matter.study.failed
    if not failed:
        return []
    reasons: dict[str, int] = {}
    for run in failed:
        reason = run.error or "no reason was recorded"
        reasons[f"{run.lane.place}: {reason}"] = reasons.get(f"{run.lane.place}: {reason}", 0) + 1
    ordered = sorted(reasons.items(), key=lambda each: -each[1])
    rows = [(str(number), reason) for reason, number in ordered[:_MOST_REASONS]]
    if len(ordered) > _MOST_REASONS:
        rest = sum(number for _, number in ordered[_MOST_REASONS:])
        rows.append((str(rest), f"{len(ordered) - _MOST_REASONS} other reasons"))
    text = (
        f"{len(failed)} of {len(matter.study.runs)} runs failed, for the reasons in @failures, and "
        "are in no other number of this report."
    )
    table = Table(
        "failures", "Runs that failed.", ("runs", "place and reason"), rows, numbers=False
    )
    return [*paragraph(text), table]
