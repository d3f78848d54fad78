"""Results: single transfers, predictions, dollars, and what failed."""

from collections.abc import Mapping

from offload.domain.units import show_rate, show_s, show_usd
from offload.findings import environment, link, predictions
from offload.findings.link import LinkFit
from offload.findings.study import TransferPoint, Variant
from offload.render.report import figures, prose
from offload.render.report.comparisons import Comparisons, took
from offload.render.report.document import Block, Figure, Table, cut, listing, paragraph, said
from offload.render.words import capital, count, percent

_ALONE = 0.8
"""The share of a link's rate from which on nothing else seems to cross it."""
_MOST_REASONS = 4
_LONGEST_REASON = 160


def transfer(matter: Comparisons) -> list[Block]:
    """Transfer time against size, over a real link."""
    photos: dict[Variant, list[TransferPoint]] = {
        x: [] for x in matter.lanes if x.place == "remote"
    }
    for photo in matter.study.photos:
        if photo.lane in photos:
            photos[photo.lane].append(photo)
    lines = {lane: found for lane, sent in photos.items() if (found := link.line(sent))}
    if not lines:
        return []
    svg = figures.transfer(photos, lines, matter.names, matter.looks)
    told = [_line_sentence(matter, lane, line) for lane, line in lines.items()]
    sent = sum(line.images for line in lines.values())
    caption = f"{_slopes(matter, lines)} Dots: some of {sent:,} transfers; lines: Theil-Sen."
    seen = "@transfer shows the transfer time of single images."
    return [
        *paragraph(seen, *told, _sharing_sentence(matter, lines)),
        Figure("transfer", svg, caption),
    ]


def _slopes(matter: Comparisons, lines: Mapping[Variant, LinkFit]) -> str:
    """What the figure shows: the lanes whose transfers grow with size, or that none do."""
    known = {lane: line for lane, line in lines.items() if line.tells}
    if not known:
        return f"Size hardly matters: half of the images take {_medians(lines)} or less."
    slopes = [
        f"{show_s(line.per_byte_s * 1e5)}{f' ({matter.names.short(lane)})' * (len(lines) > 1)}"
        for lane, line in known.items()
    ]
    return f"Transfer grows with size: by {listing(slopes)} for every 100 kB."


def _medians(lines: Mapping[Variant, LinkFit]) -> str:
    return listing([show_s(line.median_s) for line in lines.values()])


def _line_sentence(matter: Comparisons, lane: Variant, line: LinkFit) -> str:
    rate = line.bytes_per_s
    if rate is None:
        return (
            f"To {matter.names.spoken(lane)}, half of the images take {show_s(line.median_s)} or "
            "less, and size makes less of a difference than chance: what a request costs is most "
            "of it."
        )
    start = f"; an empty image would take {show_s(line.start_s)}" if line.start_s > 0 else ""
    return (
        f"To {matter.names.spoken(lane)}, every further 100 kB adds "
        f"{show_s(line.per_byte_s * 1e5)}, a rate of {show_rate(rate)}{start}."
    )


def _sharing_sentence(matter: Comparisons, lines: Mapping[Variant, LinkFit]) -> str:
    """Why single transfers are slower than the link, where they are."""
    rates = [
        show_rate(goodput)
        for lane, line in lines.items()
        if (goodput := environment.site(matter.study, lane).goodput_bytes_per_s)
        and line.bytes_per_s
        and line.bytes_per_s < _ALONE * goodput
    ]
    if not rates:
        return ""
    many = len(rates) > 1
    return (
        f"A single image need not get the {listing(rates)} that the link{'s' * many} "
        f"carr{'y' if many else 'ies'}: images that are on their way at the same time share "
        f"{'them' if many else 'it'}."
    )


def predicted(matter: Comparisons) -> list[Block]:
    """What was said before against what came."""
    runs = predictions.predicted(matter.study.done)
    total = predictions.accuracy(runs)
    if total is None:
        return []
    by_place = []
    for place in matter.study.place_names():
        here = predictions.accuracy([run for run in runs if run.lane.place == place])
        if here and len(matter.study.place_names()) > 1:
            by_place.append(f"{prose.off(here.median_error)} at {place}")
    parts = f" ({listing(by_place)})" if by_place else ""
    told = f"Of {count(total.runs, 'run')}, "
    told += (
        f"the predictions are off by {prose.off(total.median_error)} in the median{parts}, and "
        f"nine in ten by {prose.off(total.high_error)} or less."
        if total.runs > 1
        else f"the prediction is off by {prose.off(total.median_error)}."
    )
    inside = said(
        "{share} of the runs took a time within the interval that was to hold 90 % of them.",
        share=None if total.within is None else percent(total.within),
    )
    blind = predictions.accuracy(predictions.predicted(runs, assumed=True))
    assumed = said(
        "Assumptions went into {runs}, off by {error} in the median.",
        runs=count(blind.runs, "prediction") if blind else None,
        error=prose.off(blind.median_error) if blind else None,
    )
    choices = predictions.choices(matter.study, matter.lanes)
    chosen = said(
        "Going by predictions alone would have picked the fastest for {right} of {made}, and taken "
        "{regret} longer than it does on average.",
        right=choices.right if choices else None,
        made=count(choices.made, "job") if choices else None,
        regret=percent(choices.regret) if choices else None,
    )
    caption = (
        f"Predictions made beforehand are off by {prose.off(total.median_error)} in the median. "
        "Each mark is a run."
    )
    figure = Figure("predictions", figures.predictions(runs, matter.study.known_names()), caption)
    seen = "@predictions compares each run with what had been predicted of it."
    return [*paragraph(seen, told, inside, assumed, chosen), figure]


def dollars(matter: Comparisons) -> list[Block]:
    """What the time costs."""
    bills = matter.bills
    if len(bills) < 2:  # noqa: PLR2004 - nothing to weigh
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
        "marks are beaten, by their medians."
    )
    free = any(bill.usd.value == 0 for bill in bills)
    own = "The machine with the images counts as $0." if free else ""
    seen = "@dollars weighs time against money."
    return [
        *paragraph(seen, own, front, prose.worth_sentence(matter)),
        Figure("dollars", figures.dollars(bills, matter.names, matter.looks), caption),
    ]


def failures(matter: Comparisons) -> list[Block]:
    """What failed, and why."""
    failed = matter.study.failed
    marred = [run for run in matter.study.done if run.numbers.get("failed")]
    images = sum(int(run.numbers["failed"]) for run in marred)
    lost = (
        f"In {len(marred)} of the {len(matter.study.done)} runs that came to an end, "
        f"{count(images, 'image')} failed; these runs count as they are."
        if marred
        else ""
    )
    if not failed:
        return paragraph(lost)
    reasons: dict[str, int] = {}
    for run in failed:
        reason = f"{run.lane.place}: {cut(run.error, _LONGEST_REASON)}"
        reasons[reason] = reasons.get(reason, 0) + 1
    ordered = sorted(reasons.items(), key=lambda each: -each[1])
    rows = [(str(number), reason) for reason, number in ordered[:_MOST_REASONS]]
    if len(ordered) > _MOST_REASONS:
        rest = sum(number for _, number in ordered[_MOST_REASONS:])
        rows.append((str(rest), f"for {count(len(ordered) - _MOST_REASONS, 'other reason')}"))
    text = f"{len(failed)} of {count(len(matter.study.runs), 'run')} failed, as in @failures."
    table = Table(
        "failures", "Runs that failed.", ("runs", "place and reason"), rows, numbers=False
    )
    return [*paragraph(text, lost), table]
