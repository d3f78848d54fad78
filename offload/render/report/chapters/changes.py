"""Conclusions: what would change the answer."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from offload.domain.units import show_rate, show_s
from offload.findings import environment, headline, link, phases
from offload.findings.link import Needed
from offload.render.report import prose
from offload.render.report.comparisons import Comparisons, Pair, took
from offload.render.words import capital, count, percent

if TYPE_CHECKING:
    from offload.findings.study import Variant

_BUT_KNOBS: dict[str, None] = dict.fromkeys(headline.KNOBS)


def changes(compared: Comparisons) -> Iterator[str]:
    """Another link, smaller uploads, more replicas, an hour that is worth more."""
    told: set[Variant] = set()
    for pair in compared.remote:
        alike = pair.candidate.lane.but(link_mbit=None, **_BUT_KNOBS)
        if alike not in told and (sentence := _link_sentence(compared, pair)):
            told.add(alike)
            yield sentence
    yield from _uploads(compared)
    for number in range(min(2, len(compared.sweeps))):
        yield prose.scaling_sentence(compared, number)
    yield prose.worth_sentence(compared)


def _link_sentence(compared: Comparisons, pair: Pair) -> str:
    variant = pair.candidate.lane
    site = environment.site(compared.study, variant)
    cores = site.host.usable_cores if site.host else None
    needed = link.needed(compared.study, variant, pair.base, site.goodput_bytes_per_s, cores)
    if needed is None:
        return _no_link_sentence(compared, pair)
    if not (needed.swept or pair.clear):  # the rate would be the one that there is
        return ""
    remote = compared.names.spoken(variant, "link_mbit")
    base = compared.names.spoken(pair.base.lane)
    images = count(needed.images, "image")
    if needed.bytes_per_s is None:
        return (
            f"No link would make {remote} the faster one for {images}: without any transfer "
            f"{show_s(needed.rest_s)} would remain, against {show_s(needed.base_s)} in {base}."
        )
    return _rate_sentence(needed, remote, base, images)


def _rate_sentence(needed: Needed, remote: str, base: str, images: str) -> str:
    rate = show_rate(needed.bytes_per_s or 0.0)
    if needed.swept:
        return (
            f"From an uplink of {rate} on, which lies between links that were measured, {remote} "
            f"is faster than {base} for {images}."
        )
    measured = show_rate(needed.measured_bytes_per_s)
    if (needed.bytes_per_s or 0.0) > needed.measured_bytes_per_s:
        return (
            f"With an uplink of {rate} instead of {measured}, {remote} would be as fast as {base} "
            f"for {images}."
        )
    return (
        f"{capital(remote)} stays ahead of {base} for {images} as long as the uplink carries "
        f"{rate}; it carries {measured}."
    )


def _no_link_sentence(compared: Comparisons, pair: Pair) -> str:
    found, spent = phases.binding(pair.candidate), phases.of(pair.candidate)
    if found is None or found[0] != "detector":
        return ""
    on_link = sum(spent.get(phase, 0.0) for phase in phases.STAGES["link"]) / sum(spent.values())
    return (
        f"{capital(compared.names.at(pair.candidate.lane))}, a faster link would save at most "
        f"{percent(on_link)} of an image's time, a faster detector up to {percent(found[1])}."
    )


def _uploads(compared: Comparisons) -> Iterator[str]:
    whole = {
        variant.but(**_BUT_KNOBS): compared.study.series(variant)
        for variant in compared.variants
        if variant.upload_max_side_px is None
    }
    for variant in compared.variants:
        one = compared.study.series(variant)
        other = whole.get(variant.but(upload_max_side_px=None, **_BUT_KNOBS), {})
        both = set(one) & set(other)
        if variant.upload_max_side_px is not None and both:
            yield _upload_sentence(compared, Pair(one[max(both)], other[max(both)]))


def _upload_sentence(compared: Comparisons, pair: Pair) -> str:
    small_s, whole_s = pair.seconds
    variant = pair.candidate.lane
    how = f"{prose.longer(pair.ratio.value)} " if pair.clear else "not to be told apart from "
    return (
        f"{capital(compared.names.at(variant, 'upload_max_side_px'))}, sending copies of at most "
        f"{variant.upload_max_side_px} px takes {took(small_s)} for {count(pair.images, 'image')}, "
        f"{how}the {took(whole_s)} with whole images; what it does to the detections is not part "
        "of this study."
    )
