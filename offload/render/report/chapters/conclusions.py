"""Conclusions: computed, each with its number, and what the study cannot say."""

from collections.abc import Iterator

import numpy as np

from offload.domain.units import show_rate, show_s
from offload.findings import environment, predictions
from offload.render.report import prose
from offload.render.report.chapters import changes
from offload.render.report.comparisons import Comparisons, Pair, rate
from offload.render.report.document import Block, listing, paragraph
from offload.render.report.sentences import say
from offload.render.words import capital, count, percent

_FEW = 3
"""With fewer repeats, all of one place are faster than all of another in a third of cases by chance
alone.
"""


def short(compared: Comparisons) -> str:
    """The answer in a sentence or two."""
    away = compared.away
    if away:
        unlike = (away[0].ratio.value < 1) != (away[-1].ratio.value < 1)
        second = _verdict(compared, away[-1]) if unlike else _from(compared, away[0])
        return " ".join(filter(None, (_verdict(compared, away[0]), second)))
    if compared.pairs:
        return prose.pair_sentence(compared, compared.pairs[0])
    if compared.sweeps and (told := prose.scaling_sentence(compared, 0)):
        return told
    return prose.alone(compared, compared.groups[-1]) if compared.groups else ""


def conclusions(compared: Comparisons) -> list[Block]:
    """All of them."""
    away = compared.away
    worth = [_verdict(compared, pair) for pair in away]
    worth += [prose.pair_sentence(compared, p) for p in compared.pairs if p not in away]
    if not compared.pairs:
        alone = [prose.alone(compared, group) for group in compared.groups]
        worth = [*alone, _best_throughput(compared)]
    told = {
        "Is it worth offloading?" if away else "What does it take?": worth,
        "From how many images on?": prose.crossing_sentences(compared),
        "What is the bottleneck?": prose.bottleneck_sentences(compared),
        "What would change it?": changes.changes(compared),
        "How sure is this?": _sure(compared),
        "What this study cannot say.": _unknown(compared),
    }
    return [block for lead, said in told.items() for block in paragraph(*said, lead=lead)]


def _verdict(compared: Comparisons, pair: Pair) -> str:
    """Whether to offload the largest job."""
    ratio, known = pair.ratio.value, prose.pair_values(compared, pair)
    if not pair.clear or round(ratio, 2) == 1:
        chance = (
            "hardly a difference" if pair.clear else "no difference that could be told from chance"
        )
        at, base_at = (compared.names.at(group.lane) for group in (pair.candidate, pair.base))
        return say("verdict_same", difference=chance, at=at, base_at=base_at, **known)
    if ratio > 1:
        return say("verdict_no", **known)
    candidate_s, base_s = pair.seconds
    saved = show_s(base_s.value - candidate_s.value)
    return say("verdict_yes", saved=saved, share=percent(1 - ratio), **known)


def _best_throughput(compared: Comparisons) -> str:
    """The least that it takes for about the best throughput."""
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
    where, most = capital(prose.swept(compared, sweep)), rate(rates[replicas, concurrency])
    return say("best_throughput", where=where, throughput=most, enough=listing(enough))


def _from(compared: Comparisons, pair: Pair) -> str:
    variants = {pair.candidate.lane, pair.base.lane}
    found = [each for each in compared.crossings if {each.slow, each.fast} == variants]
    return prose.crossing_sentence(compared, found[0]) if found else ""


def _sure(compared: Comparisons) -> Iterator[str]:
    study = compared.study
    yield _spread(compared)
    for pair in compared.pairs[:2]:
        yield _chance(compared, pair)
    if known := predictions.accuracy(study.done):
        error = prose.off(known.median_error)
        yield say("predicted_runs", runs=count(known.runs, "run"), error=error)
    if study.failed:
        number, runs = len(study.failed), count(len(study.runs), "run")
        yield say("failed_runs", failed=number, runs=runs, s="s" * (number == 1))


def _chance(compared: Comparisons, pair: Pair) -> str:
    chance = pair.chance
    if chance is None:
        return ""
    groups = [pair.candidate, pair.base][:: 1 if chance >= 0.5 else -1]  # noqa: PLR2004
    ahead, behind = (compared.names.at(group.lane) for group in groups)
    times_s, others_s = (group.values("makespan_s") for group in groups)
    known = {"images": count(pair.images, "image"), "ahead": ahead, "behind": behind}
    if max(times_s) < min(others_s):
        return say("order_certain", runs=len(times_s), others=len(others_s), **known)
    return say("order_likely", share=percent(max(chance, 1 - chance)), **known)


def _spread(compared: Comparisons) -> str:
    spreads = [
        max(values) / min(values)
        for group in compared.study.groups.values()
        if len(values := group.values("makespan_s")) > 1
    ]
    if not spreads:
        return ""
    usual, most = prose.longer(float(np.median(spreads))), prose.longer(max(spreads))
    return say("spread", cells=count(len(spreads), "cell"), usual=usual, most=most)


def _unknown(compared: Comparisons) -> Iterator[str]:
    study = compared.study
    places = study.place_names()
    if not study.done:
        yield say("nothing_done", runs=count(len(study.runs), "run"))
        return
    if len(places) == 1:
        yield say("one_place", place=places[0])
    elif not any(study.places[place].leaves_machine for place in places):
        yield say("one_machine", places=len(places))
    done = {run.lane.place for run in study.done}
    for place in (place for place in places if place not in done):
        runs = [run for run in study.runs if run.lane.place == place]
        yield say("lost_place", place=place, runs=count(len(runs), "run"))
    if len(compared.measured) == 1:
        images = count(compared.measured[0], "image")
        yield say("one_number" if len(places) > 1 else "one_number_alone", images=images)
    if study.repeats < _FEW:
        yield say("few_repeats", times=count(study.repeats, "time"))
    yield _beyond(compared)


def _beyond(compared: Comparisons) -> str:
    """Jobs and links beyond those measured."""
    limits = []
    if len(compared.measured) > 1:
        limits.append(f"jobs of more than {count(max(compared.measured), 'image')}")
    sites = [environment.site(compared.study, variant) for variant in compared.study.lanes]
    rates = sorted({site.goodput_bytes_per_s for site in sites if site.goodput_bytes_per_s})
    if len(rates) > _FEW:
        limits.append(f"links below {show_rate(rates[0])} or above {show_rate(rates[-1])}")
    elif rates:
        limits.append(f"links other than {listing([show_rate(rate) for rate in rates])}")
    return say("beyond", limits=listing(limits) or None)
