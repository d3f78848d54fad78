"""Conclusions: computed, each with its number, and what the study cannot say."""

from collections.abc import Iterator

import numpy as np

from offload.domain.units import show_rate, show_s
from offload.findings import environment, predictions
from offload.render.report import prose
from offload.render.report.chapters import changes
from offload.render.report.comparisons import Comparisons, Pair, rate, took
from offload.render.report.document import Block, listing, paragraph
from offload.render.words import capital, count, percent

_FEW = 3
"""With fewer repeats, all of one place are faster than all of another in a third of cases by chance
alone.
"""


def short(compared: Comparisons) -> str:
    """The answer in a sentence or two."""
    remote = compared.remote
    if remote:
        unlike = (remote[0].ratio.value < 1) != (remote[-1].ratio.value < 1)
        second = _verdict(compared, remote[-1]) if unlike else _from(compared, remote[0])
        return " ".join(filter(None, (_verdict(compared, remote[0]), second)))
    if compared.pairs:
        return prose.pair_sentence(compared, compared.pairs[0])
    if compared.sweeps and (told := prose.scaling_sentence(compared, 0)):
        return told
    return prose.alone(compared, compared.groups[-1]) if compared.groups else ""


def conclusions(compared: Comparisons) -> list[Block]:
    """All of them."""
    remote = compared.remote
    worth = [_verdict(compared, pair) for pair in remote]
    worth += [prose.pair_sentence(compared, p) for p in compared.pairs if p not in remote]
    if not compared.pairs:
        worth = [*(prose.alone(compared, group) for group in compared.groups), _best_rate(compared)]
    asked = "Is it worth offloading?" if remote else "What does it take?"
    return [
        *paragraph(*worth, lead=asked),
        *paragraph(*prose.crossing_sentences(compared), lead="From how many images on?"),
        *paragraph(*prose.binding_sentences(compared), lead="What binds?"),
        *paragraph(*changes.changes(compared), lead="What would change it?"),
        *paragraph(*_sure(compared), lead="How sure is this?"),
        *paragraph(*_unknown(compared), lead="What this study cannot say."),
    ]


def _verdict(compared: Comparisons, pair: Pair) -> str:
    """Whether to offload the largest job."""
    ratio = pair.ratio.value
    candidate_s, base_s = pair.seconds
    name, base = (compared.names.spoken(g.lane) for g in (pair.candidate, pair.base))
    images = count(pair.images, "image")
    if not pair.clear or round(ratio, 2) == 1:
        chance = "" if pair.clear else " that could be told from chance"
        return (
            f"For {images} it makes {'hardly a' if pair.clear else 'no'} difference{chance}: "
            f"{took(candidate_s)} {compared.names.at(pair.candidate.lane)}, {took(base_s)} "
            f"{compared.names.at(pair.base.lane)}."
        )
    if ratio < 1:
        saved = show_s(base_s.value - candidate_s.value)
        return (
            f"For {images}, yes: {name} takes {took(candidate_s)} where {base} takes "
            f"{took(base_s)}, which saves {saved} or {percent(1 - ratio)} of the time."
        )
    return (
        f"For {images}, no: {name} takes {prose.longer(ratio)} {base}, {took(candidate_s)} against "
        f"{took(base_s)}."
    )


def _best_rate(compared: Comparisons) -> str:
    """The least that it takes for about the best rate."""
    if not compared.sweeps:
        return ""
    sweep = compared.sweeps[0]
    rates = {
        (replicas, concurrency): found
        for replicas, row in sweep.groups.items()
        for concurrency, group in row.items()
        if (found := group.estimate("images_per_s"))
    }
    if not rates:
        return ""
    best = max(each.value for each in rates.values())
    replicas, concurrency = min(key for key, each in rates.items() if each.value >= 0.95 * best)
    enough = [count(replicas, "replica")] * (len(sweep.replicas) > 1)
    enough += [f"{count(concurrency, 'request')} in flight"] * (len(sweep.concurrencies) > 1)
    return (
        f"{capital(prose.swept(compared, sweep))}, {rate(rates[replicas, concurrency])} images/s, "
        f"about the most that was reached, take no more than {listing(enough)}."
    )


def _from(compared: Comparisons, pair: Pair) -> str:
    variants = {pair.candidate.lane, pair.base.lane}
    found = [each for each in compared.crossings if {each.slow, each.fast} == variants]
    return prose.crossing_sentence(compared, found[0]) if found else ""


def _sure(compared: Comparisons) -> Iterator[str]:
    study = compared.study
    yield _spread(compared)
    for pair in compared.pairs[:2]:
        yield _chance(compared, pair)
    known = predictions.accuracy(study.done)
    if known:
        yield (
            f"What {count(known.runs, 'run')} would take was said beforehand, and was off by "
            f"{prose.off(known.median_error)} in the median."
        )
    if study.failed:
        runs = count(len(study.runs), "run")
        one = len(study.failed) == 1
        yield f"{len(study.failed)} of {runs} failed and count{'s' * one} for nothing."


def _chance(compared: Comparisons, pair: Pair) -> str:
    chance = pair.chance
    if chance is None:
        return ""
    groups = (pair.candidate, pair.base) if chance >= 0.5 else (pair.base, pair.candidate)  # noqa: PLR2004
    ahead, behind = (compared.names.at(group.lane) for group in groups)
    times_s, others_s = (group.values("makespan_s") for group in groups)
    images = count(pair.images, "image")
    if max(times_s) < min(others_s):
        return (
            f"With {images}, each of the {len(times_s)} runs {ahead} was faster than each of the "
            f"{len(others_s)} {behind}."
        )
    share = percent(max(chance, 1 - chance))
    return f"With {images}, the job is faster {ahead} than {behind} in {share} of the resamples."


def _spread(compared: Comparisons) -> str:
    spreads = [
        max(values) / min(values) - 1
        for group in compared.study.groups.values()
        if len(values := group.values("makespan_s")) > 1
    ]
    if not spreads:
        return ""
    return (
        f"In the median of {count(len(spreads), 'cell')}, the slowest repeat takes "
        f"{prose.longer(1 + float(np.median(spreads)))} the fastest; where they differ most, "
        f"{prose.longer(1 + max(spreads))} it."
    )


def _unknown(compared: Comparisons) -> Iterator[str]:
    study = compared.study
    places = study.places()
    if not study.done:
        total = count(len(study.runs), "run")
        yield f"None of its {total} came to an end, so it says nothing of time."
        return
    if len(places) == 1:
        yield f"With 1 place ({places[0]}) there is nothing to compare it with."
    elif "remote" not in places:
        yield (
            f"All {len(places)} places are on one machine, so nothing is known of a faster machine "
            "elsewhere nor of a link."
        )
    lost = [place for place in places if not any(run.lane.place == place for run in study.done)]
    for place in lost:
        runs = [run for run in study.runs if run.lane.place == place]
        yield f"Nothing is known of {place}: of its {count(len(runs), 'run')} none came to an end."
    if len(compared.measured) == 1:
        yield (
            f"With jobs of {count(compared.measured[0], 'image')} alone, it is open from how many "
            "images on another place would be faster."
            if len(places) > 1
            else f"All jobs have {count(compared.measured[0], 'image')}, so what start-up and what "
            "an image takes cannot be told apart."
        )
    if study.repeats < _FEW:
        yield (
            f"Each cell was run {count(study.repeats, 'time')} at most, so a small difference may "
            "be chance."
        )
    yield _beyond(compared)


def _beyond(compared: Comparisons) -> str:
    """Jobs and links beyond those measured."""
    limits = []
    if len(compared.measured) > 1:
        limits.append(f"jobs of more than {count(max(compared.measured), 'image')}")
    rates = sorted({
        site.goodput_bytes_per_s
        for variant in compared.study.lanes
        if (site := environment.site(compared.study, variant)).goodput_bytes_per_s
    })  # fmt: skip
    if len(rates) > _FEW:
        limits.append(f"links below {show_rate(rates[0])} or above {show_rate(rates[-1])}")
    elif rates:
        limits.append(f"links other than {listing([show_rate(rate) for rate in rates])}")
    if not limits:
        return ""
    return f"It holds for these machines at that time; {listing(limits)} were not measured."
