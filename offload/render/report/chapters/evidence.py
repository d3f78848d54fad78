"""Results: single transfers, predictions, dollars, and what failed."""

from collections import Counter
from collections.abc import Callable, Mapping

from offload.domain.units import show_rate, show_s, show_usd
from offload.findings import link, predictions
from offload.findings.link import LinkFit
from offload.findings.predictions import PlaceAccuracy
from offload.findings.study import Study, TransferPoint, Variant
from offload.render.report import figures
from offload.render.report.comparisons import Comparisons
from offload.render.report.document import Block, Figure, Table, cut, paragraph
from offload.render.report.sentences import took
from offload.render.words import count

Say = Callable[..., str]

_ALONE = 0.8
"""The share of a link's rate from which on nothing else seems to cross it."""
_MOST_REASONS = 4
_MOSTLY, _UNEVEN = 0.5, 1.5
"""Shares of predictions and spreads of repeats from which on they explain an error."""
_LONGEST_REASON = 160


def transfer(compared: Comparisons) -> list[Block]:
    """Transfer time against size, over a real link."""
    linked = (each for each in compared.variants if compared.traits(each).uses_link)
    photos: dict[Variant, list[TransferPoint]] = {variant: [] for variant in linked}
    for photo in compared.study.photos:
        if photo.lane in photos:
            photos[photo.lane].append(photo)
    lines = {variant: found for variant, sent in photos.items() if (found := link.line(sent))}
    if not lines:
        return []
    svg = figures.transfer(compared, photos, lines)
    told = [_line_sentence(compared, variant, line) for variant, line in lines.items()]
    sent = sum(line.images for line in lines.values())
    caption = f"{_slopes(compared, lines)} Dots: some of {sent:,} transfers; lines: Theil-Sen."
    seen = "@transfer shows the transfer time of single images."
    text = paragraph(seen, *told, _sharing_sentence(compared, lines))
    return [*text, Figure("transfer", svg, caption)]


def _slopes(compared: Comparisons, lines: Mapping[Variant, LinkFit]) -> str:
    """What the figure shows: the variants whose transfers grow with size, or that none do."""
    slopes = [
        f"{show_s(line.per_byte_s * 1e5)}{f' ({compared.names.short(each)})' * (len(lines) > 1)}"
        for each, line in lines.items()
        if line.tells
    ]
    medians = [show_s(line.median_s) for line in lines.values()]
    return compared.say("size_matters", slopes=slopes) or compared.say(
        "size_hardly", medians=medians
    )


def _line_sentence(compared: Comparisons, variant: Variant, line: LinkFit) -> str:
    if not line.tells:
        return compared.say("request_costs", lane=variant, line=line)
    start = compared.say("line_start", line=line) if line.start_s > 0 else ""
    return compared.say("line", lane=variant, line=line, slope=line.per_byte_s * 1e5, start=start)


def _sharing_sentence(compared: Comparisons, lines: Mapping[Variant, LinkFit]) -> str:
    """Why single transfers are slower than the link, where they are."""
    rates = [
        show_rate(goodput)
        for variant, line in lines.items()
        if (goodput := compared.goodput(variant))
        and line.bytes_per_s
        and line.bytes_per_s < _ALONE * goodput
    ]
    return compared.say("sharing_many" if len(rates) > 1 else "sharing_one", rates=rates)


def predicted(compared: Comparisons) -> list[Block]:
    """What was said before against what came."""
    study, say = compared.study, compared.say
    runs = predictions.predicted(study.done)
    if not runs:
        return []
    choices, places = predictions.choices(study, compared.variants), _accuracy(study, say)
    text = paragraph(
        "@predictions compares each run with its prediction, @accuracy the places.",
        say("chosen", choices=choices) if choices else "",
        say("lost", lost=choices.lost or None) if choices else "",
    )
    svg = figures.predictions(runs, study.known_names())
    caption = f"Predictions made beforehand, of {count(len(runs), 'run')}. Each mark is a run."
    return [*text, Figure("predictions", svg, caption), places]


def _accuracy(study: Study, say: Say) -> Table:
    """How far off predictions were at each place, and why where that is known."""
    places = predictions.by_place(study)
    columns: dict[str, Callable[[PlaceAccuracy], str]] = {
        "place": lambda each: each.place,
        "predictions": lambda each: f"{each.runs:,}",
        "median error (%)": lambda each: _percent(each.median_error),
        "90th percentile (%)": lambda each: _percent(each.high_error),
    }
    if any(each.within is not None for each in places):
        columns["in the interval (%)"] = lambda each: _percent(each.within)
    if bad := any(each.bad for each in places):
        columns["reason"] = lambda each: _reason(each, say) if each.bad else ""
    rows = [[shown(each) for shown in columns.values()] for each in places]
    caption = "Absolute errors of the predictions: median and 90th percentile"
    caption += ", and the share of runs within the 90 % interval."
    return Table("accuracy", caption, list(columns), rows, numbers=not bad)


def _percent(share: float | None) -> str:
    return "not known" if share is None else f"{100 * share:,.0f}"


def _reason(place: PlaceAccuracy, say: Say) -> str:
    told = [say("reason_assumed")] if place.assumed >= _MOSTLY else []
    told += [say("reason_uneven", spread=place.spread)] if place.spread >= _UNEVEN else []
    return "; ".join(told) or say("reason_unknown")


def dollars(compared: Comparisons) -> list[Block]:
    """What the time costs."""
    bills, names, images = compared.bills, compared.names, compared.images
    if len(bills) < 2:  # noqa: PLR2004 - nothing to weigh
        return []
    best = [
        f"{names.spoken(bill.lane)} ({took(bill.seconds)} for {show_usd(bill.usd.value)})"
        for bill in bills
        if bill.best
    ]
    free = any(bill.usd.value == 0 for bill in bills)
    text = paragraph(
        "@dollars weighs time against money.",
        "The machine with the images counts as $0." if free else "",
        compared.say("front", images=images, best=best),
    )
    svg = figures.dollars(compared)
    caption = compared.say("dollars_caption", bill=bills[0], images=images)
    return [*text, Figure("dollars", svg, caption)]


def failures(compared: Comparisons) -> list[Block]:
    """What failed, and why."""
    study = compared.study
    marred = [int(images) for run in study.done if (images := run.numbers.get("failed"))]
    lost = compared.say(
        "marred", marred=len(marred) or None, runs=len(study.done), images=sum(marred)
    )
    if not study.failed:
        return paragraph(lost)
    reasons = Counter(f"{r.lane.place}: {cut(r.error, _LONGEST_REASON)}" for r in study.failed)
    rows = [(str(number), reason) for reason, number in reasons.most_common(_MOST_REASONS)]
    if more := len(reasons) - len(rows):
        rest = len(study.failed) - sum(int(number) for number, _ in rows)
        rows.append((str(rest), f"for {count(more, 'other reason')}"))
    text = "@failures shows the failed runs; they are not included elsewhere."
    header = "runs", "place and reason"
    return [
        *paragraph(text, lost),
        Table("failures", "Runs that failed.", header, rows, numbers=False),
    ]
