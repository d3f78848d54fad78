"""Results: single transfers, predictions, dollars, and what failed."""

from collections import Counter
from collections.abc import Mapping, Sequence

from offload.domain.units import show_rate, show_s, show_usd
from offload.findings import environment, link, predictions
from offload.findings.link import LinkFit
from offload.findings.study import MeasuredRun, Study, TransferPoint, Variant
from offload.render.report import figures, prose
from offload.render.report.comparisons import Comparisons, took
from offload.render.report.document import Block, Figure, Table, cut, listing, paragraph
from offload.render.report.sentences import say
from offload.render.words import capital, count, percent

_ALONE = 0.8
"""The share of a link's rate from which on nothing else seems to cross it."""
_MOST_REASONS = 4
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
    svg = figures.transfer(photos, lines, compared.names, compared.looks)
    told = [_line_sentence(compared, variant, line) for variant, line in lines.items()]
    sent = sum(line.images for line in lines.values())
    caption = f"{_slopes(compared, lines)} Dots: some of {sent:,} transfers; lines: Theil-Sen."
    seen = "@transfer shows the transfer time of single images."
    text = paragraph(seen, *told, _sharing_sentence(compared, lines))
    return [*text, Figure("transfer", svg, caption)]


def _slopes(compared: Comparisons, lines: Mapping[Variant, LinkFit]) -> str:
    """What the figure shows: the variants whose transfers grow with size, or that none do."""
    known = {variant: line for variant, line in lines.items() if line.tells}
    if not known:
        medians = listing([show_s(line.median_s) for line in lines.values()])
        return say("size_hardly", medians=medians)
    slopes = [
        f"{show_s(line.per_byte_s * 1e5)}{f' ({compared.names.short(each)})' * (len(lines) > 1)}"
        for each, line in known.items()
    ]
    return say("size_matters", slopes=listing(slopes))


def _line_sentence(compared: Comparisons, variant: Variant, line: LinkFit) -> str:
    name, rate = compared.names.spoken(variant), line.bytes_per_s
    if rate is None:
        return say("request_costs", name=name, median=show_s(line.median_s))
    start = say("line_start", start=show_s(line.start_s)) if line.start_s > 0 else ""
    slope = show_s(line.per_byte_s * 1e5)
    return say("line", name=name, slope=slope, rate=show_rate(rate), start=start)


def _sharing_sentence(compared: Comparisons, lines: Mapping[Variant, LinkFit]) -> str:
    """Why single transfers are slower than the link, where they are."""
    rates = [
        show_rate(goodput)
        for variant, line in lines.items()
        if (goodput := environment.site(compared.study, variant).goodput_bytes_per_s)
        and line.bytes_per_s
        and line.bytes_per_s < _ALONE * goodput
    ]
    which = "sharing_many" if len(rates) > 1 else "sharing_one"
    return say(which, rates=listing(rates) or None)


def predicted(compared: Comparisons) -> list[Block]:
    """What was said before against what came."""
    study = compared.study
    runs = predictions.predicted(study.done)
    total = predictions.accuracy(runs)
    if total is None:
        return []
    known = {"runs": count(total.runs, "run"), "error": prose.off(total.median_error)}
    parts, high = _by_place(study, runs), prose.off(total.high_error)
    told = say("predictions", parts=parts, high=high, **known)
    if total.runs == 1:
        told = say("prediction", **known)
    within = None if total.within is None else percent(total.within)
    svg = figures.predictions(runs, study.known_names())
    return [
        *paragraph(
            "@predictions compares each run with what had been predicted of it.", told,
            say("inside", share=within), _assumed(runs), _chosen(compared),
        ),
        Figure("predictions", svg, say("predictions_caption", error=known["error"])),
    ]  # fmt: skip


def _by_place(study: Study, runs: Sequence[MeasuredRun]) -> str:
    """` (5 % at local and 7 % at remote)`, the errors of several places."""
    places = study.place_names()
    found = {p: predictions.accuracy([r for r in runs if r.lane.place == p]) for p in places}
    errors = [f"{prose.off(each.median_error)} at {p}" for p, each in found.items() if each]
    return f" ({listing(errors)})" if errors and len(places) > 1 else ""


def _assumed(runs: Sequence[MeasuredRun]) -> str:
    blind = predictions.accuracy(predictions.predicted(runs, assumed=True))
    if blind is None:
        return ""
    number, error = count(blind.runs, "prediction"), prose.off(blind.median_error)
    return say("assumed", runs=number, error=error)


def _chosen(compared: Comparisons) -> str:
    found = predictions.choices(compared.study, compared.variants)
    if found is None:
        return ""
    made, regret = count(found.made, "job"), percent(found.regret)
    return say("chosen", right=found.right, made=made, regret=regret)


def dollars(compared: Comparisons) -> list[Block]:
    """What the time costs."""
    bills, names = compared.bills, compared.names
    if len(bills) < 2:  # noqa: PLR2004 - nothing to weigh
        return []
    images = count(compared.images or 0, "image")
    best = [
        f"{names.spoken(bill.lane)} ({took(bill.seconds)} for {show_usd(bill.usd.value)})"
        for bill in bills
        if bill.best
    ]
    fastest, usd = capital(names.spoken(bills[0].lane)), show_usd(bills[0].usd.value)
    free = any(bill.usd.value == 0 for bill in bills)
    own = "The machine with the images counts as $0." if free else ""
    front = say("front", images=images, best=listing(best, "or"))
    seen = "@dollars weighs time against money."
    caption = say("dollars_caption", fastest=fastest, images=images, usd=usd)
    svg = figures.dollars(bills, names, compared.looks)
    text = paragraph(seen, own, front, prose.worth_sentence(compared))
    return [*text, Figure("dollars", svg, caption)]


def failures(compared: Comparisons) -> list[Block]:
    """What failed, and why."""
    study = compared.study
    marred = [run for run in study.done if run.numbers.get("failed")]
    images = count(sum(int(run.numbers["failed"]) for run in marred), "image")
    lost = say("marred", marred=len(marred) or None, runs=len(study.done), images=images)
    if not study.failed:
        return paragraph(lost)
    reasons = Counter(f"{r.lane.place}: {cut(r.error, _LONGEST_REASON)}" for r in study.failed)
    rows = [(str(number), reason) for reason, number in reasons.most_common(_MOST_REASONS)]
    if more := len(reasons) - len(rows):
        rest = len(study.failed) - sum(int(number) for number, _ in rows)
        rows.append((str(rest), f"for {count(more, 'other reason')}"))
    text = f"{len(study.failed)} of {count(len(study.runs), 'run')} failed, as in @failures."
    table = Table(
        "failures", "Runs that failed.", ("runs", "place and reason"), rows, numbers=False
    )
    return [*paragraph(text, lost), table]
