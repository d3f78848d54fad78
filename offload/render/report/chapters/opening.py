"""Introduction and problem overview."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from offload.domain.places import PlaceTraits
from offload.domain.units import show_bytes, show_rate, show_s
from offload.findings import environment, phases
from offload.findings.study import Study, Variant
from offload.render.report.comparisons import Comparisons
from offload.render.report.document import Block, listing, paragraph
from offload.render.report.sentences import say
from offload.render.words import capital, count

_MOST_NUMBERS = 12


def title(compared: Comparisons) -> str:
    """What the study is about."""
    places = compared.study.place_names()
    if len(places) > 1:
        return f"Where to detect objects: {listing(places)} compared"
    what = "replicas and requests in flight" if compared.sweeps else "what a job takes"
    return f"Detecting objects {compared.named().at(Variant(places[0]))}: {what}"


def subtitle(study: Study) -> str:
    """Which software, and when."""
    version = environment.text(study.environment, "versions", "offload")
    version = version or environment.text(study.design, "version")
    when = _moment(study, "started_at")
    parts = [f"offload {version}".strip(), f"{when.day} {when:%B %Y}" if when else ""]
    return "A study made with " + ", ".join(filter(None, parts))


def introduction(compared: Comparisons, short: str) -> list[Block]:
    """What was asked and what was done; `short` is the answer in a sentence."""
    study = compared.study
    places = [study.places[name] for name in study.place_names()]
    numbers = listing([f"{number:,}" for number in compared.numbers])
    if len(compared.numbers) > _MOST_NUMBERS:
        numbers = f"jobs of {min(compared.numbers)} to {max(compared.numbers):,}"
    model = f" of the model `{compared.model}`" if compared.model else ""
    asked = say(
        _question(places),
        at=compared.named().at(Variant(places[0].name)),
        measured=f"This study measures it with {count(len(study.runs), 'run')}{model}",
        places=len(places),
        over=f"over {numbers} {'image' if compared.numbers == [1] else 'images'}",
    )
    meant = capital("; ".join(say(_kind(traits), place=traits.name) for traits in places)) + "."
    return [
        *paragraph(asked, _when(study), _ended(study), meant),
        *paragraph(short, lead="In short." if short else ""),
    ]


def _question(places: Sequence[PlaceTraits]) -> str:
    if len(places) == 1:
        return "one_place_asked"
    return "away_asked" if any(traits.leaves_machine for traits in places) else "here_asked"


def _kind(traits: PlaceTraits) -> str:
    if traits.in_process:
        return "is_in_process"
    return "is_away" if traits.leaves_machine else "is_here"


def _when(study: Study) -> str:
    start, end = _moment(study, "started_at"), _moment(study, "ended_at")
    if start is None or end is None:
        return ""
    day = f"{start.day} {start:%B %Y}"
    last = f"{end:%H:%M}" if start.date() == end.date() else f"{end:%H:%M} on {end.day} {end:%B}"
    if f"{start:%H:%M}" == last:
        return f"That was on {day} at {last} UTC."
    return f"That was on {day}, between {start:%H:%M} and {last} UTC."


def _ended(study: Study) -> str:
    runs, failed = len(study.runs), len(study.failed)
    planned = study.design.get("cells")
    if isinstance(planned, int) and planned > runs:
        return f"Of {count(planned, 'planned run')}, {runs - failed} finished so far."
    if failed == runs:
        return f"None of the {count(runs, 'run')} finished."
    if failed:
        return f"Of these, {failed} failed and {runs - failed} finished."
    return f"All {runs} finished." if runs > 1 else "The 1 run finished."


def _moment(study: Study, name: str) -> datetime | None:
    try:
        return datetime.fromisoformat(environment.text(study.environment, name))
    except ValueError:
        return None


def problem(compared: Comparisons) -> list[Block]:
    """Why the answer is not obvious, in this study's own numbers."""
    study = compared.study
    weight, links = _weight(study), _links(compared)
    text = ""
    if weight:
        carried = [f"{show_rate(rate)} carries in {show_s(weight / rate)}" for rate in links]
        name, known = "weight_links" if links else "weight", listing(carried, "and one of")
        text = say(name, weight=show_bytes(weight), links=known)
    away = any(study.places[place].leaves_machine for place in study.place_names())
    trade = say("trade_away" if away else "trade_here")
    return [*paragraph(trade, text, _work(compared)), *paragraph(_overlap(compared))]


def _links(compared: Comparisons) -> list[float]:
    """The rates of the links, in bytes a second."""
    linked = (each for each in compared.variants if compared.traits(each).uses_link)
    sites = [environment.site(compared.study, variant) for variant in linked]
    return sorted({site.goodput_bytes_per_s for site in sites if site.goodput_bytes_per_s})


def _weight(study: Study) -> float | None:
    sizes = [photo.bytes for photo in study.photos if photo.bytes]
    if sizes:
        return float(np.mean(sizes))
    sent = [run.numbers["sent_bytes"] / run.images for run in study.done
            if run.numbers.get("sent_bytes") and not run.lane.upload_max_side_px]  # fmt: skip
    return float(np.mean(sent)) if sent else None


def _work(compared: Comparisons) -> str:
    firsts = {group.lane.place: group for group in reversed(compared.groups)}
    parts = []
    for place in dict.fromkeys(group.lane.place for group in compared.groups):
        spent = phases.of(firsts[place])
        work_s = spent.get("decoding", 0.0) + spent.get("inference", 0.0)
        if work_s:
            parts.append(f"{show_s(work_s)} {compared.named().at(firsts[place].lane)}")
    return say("work", parts=listing(parts) or None)


def _overlap(compared: Comparisons) -> str:
    least, most = min(compared.numbers), max(compared.numbers)
    which = "looked_at_one" if least == most else "looked_at_many"
    return say("overlap", looked=say(which, images=count(least, "image"), most=most))
