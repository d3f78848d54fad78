"""Results: what replicas and requests in flight bring."""

from collections.abc import Iterator

from offload.domain.units import show_s
from offload.findings.scaling import Sweep
from offload.render.report import figures, prose
from offload.render.report.comparisons import Comparisons, rate, thinned
from offload.render.report.document import Block, Figure, Table, paragraph
from offload.render.report.sentences import say
from offload.render.words import capital, count

_MOST_LEVELS = 6


def scaling(compared: Comparisons) -> list[Block]:
    """What replicas and requests in flight bring."""
    blocks: list[Block] = []
    for number, sweep in enumerate(compared.sweeps[:2]):
        name = f"response{number or ''}"
        message = _response_message(compared, sweep)
        drawn = f"@{name} shows the response time, " if message else ""
        seen = f"{drawn}@rates{number or ''} {'' if drawn else 'shows '}throughput."
        told = [prose.scaling_sentence(compared, number), *_saturation(compared, sweep)]
        blocks += paragraph(seen, *told)
        if message:
            images = count(sweep.images, "image")
            caption = f"{message} Medians of jobs of {images}. {_bars_only(compared)}"
            blocks.append(Figure(name, figures.response(sweep, name), caption.strip()))
        blocks.append(_rates(compared, number))
    return blocks


def _bars_only(compared: Comparisons) -> str:
    return "Bars: 90 % of the resampled medians." if compared.study.repeats > 1 else ""


def _rates(compared: Comparisons, number: int) -> Table:
    sweep = compared.sweeps[number]
    levels = thinned(sweep.concurrencies, _MOST_LEVELS)
    rows = []
    for replicas in thinned(sweep.replicas, _MOST_LEVELS):
        row = sweep.groups[replicas]
        known = (row[c].estimate("images_per_s") if c in row else None for c in levels)
        rows.append((str(replicas), *(rate(each) or "not known" for each in known)))
    some = len(levels) < len(sweep.concurrencies) or len(rows) < len(sweep.replicas)
    where = prose.swept(compared, sweep)
    caption = say("throughputs", where=where, some=", some of each" * some)
    header = ("", *(str(level or "automatic") for level in levels))
    return Table(f"rates{number or ''}", caption, header, rows)


def _saturation(compared: Comparisons, sweep: Sweep) -> Iterator[str]:
    """What is gained, and what is paid for it, by more requests in flight than are needed."""
    for replicas in sorted({sweep.replicas[0], sweep.replicas[-1]}):
        knee = sweep.saturated_from(replicas)
        if knee is None:
            continue
        known = {c: g for c, g in sweep.groups[replicas].items() if g.values("images_per_s")}
        enough, last = known[knee], known[max(known)]
        several = len(sweep.replicas) > 1
        where = f"with {count(replicas, 'replica')}" if several else prose.swept(compared, sweep)
        if enough is last:
            yield say("grows", where=capital(where), requests=knee)
            continue
        waits_s = [group.median("response_p50_s") for group in (enough, last)]
        low, high = (show_s(wait_s) if wait_s else None for wait_s in waits_s)
        yield say(
            "saturated",
            where=capital(where),
            requests=count(knee, "request"),
            enough=rate(enough.estimate("images_per_s")),
            most=max(known),
            last=rate(last.estimate("images_per_s")),
            slower=say("slower", low=low, high=high),
        )


def _response_message(compared: Comparisons, sweep: Sweep) -> str:
    """How the response time changes along the figure; empty where too little is known of it."""
    where, most = "", sweep.concurrencies[-1]
    if len(sweep.replicas) > 1:
        where = prose.flying(most).strip()
        row = {count(r, "replica"): sweep.groups[r].get(most) for r in sweep.replicas}
    else:
        [groups] = sweep.groups.values()
        row = {f"{c} in flight": groups[c] for c in sweep.concurrencies}
    known = [(name, s) for name, g in row.items() if g and (s := g.median("response_p50_s"))]
    if len(known) < 2:  # noqa: PLR2004 - nothing changes
        return ""
    (few, first_s), (many, last_s) = known[0], known[-1]
    where = capital(where or prose.swept(compared, sweep))
    known_s = {"first": show_s(first_s), "last": show_s(last_s)}
    return say("response", where=where, few=few, many=many, **known_s)
