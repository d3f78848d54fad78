"""Introduction and problem overview."""

from datetime import datetime

import numpy as np

from offload.domain.units import show_bytes, show_rate, show_s
from offload.findings import environment, phases
from offload.findings.study import Study, Variant
from offload.render.report.comparisons import Comparisons
from offload.render.report.document import Block, listing, paragraph, said
from offload.render.report.naming import Names
from offload.render.words import capital, count

_MOST_NUMBERS = 12
_IS = {
    "local": "`local` is the process that has the images",
    "container": "`container` is the same software in a Docker container on the same machine",
    "remote": "`remote` is the same software on a server that the images are sent to",
}


def title(matter: Comparisons) -> str:
    """What the study is about."""
    places = matter.study.place_names()
    if len(places) > 1:
        return f"Where to detect objects: {listing(places)} compared"
    where = Names({}).at(Variant(places[0]))
    if matter.sweeps:
        return f"Detecting objects {where}: replicas and requests in flight"
    return f"Detecting objects {where}: what a job takes"


def subtitle(study: Study) -> str:
    """Which software, and when."""
    version = environment.text(study.environment, "versions", "offload")
    version = version or environment.text(study.design, "version")
    when = _moment(study, "started_at")
    parts = [f"offload {version}".strip(), f"{when.day} {when:%B %Y}" if when else ""]
    return "A study made with " + ", ".join(filter(None, parts))


def introduction(matter: Comparisons, short: str) -> list[Block]:
    """What was asked and what was done; `short` is the answer in a sentence."""
    study = matter.study
    places, runs = study.place_names(), len(study.runs)
    numbers = listing([f"{number:,}" for number in matter.numbers])
    if len(matter.numbers) > _MOST_NUMBERS:
        numbers = f"jobs of {min(matter.numbers)} to {max(matter.numbers):,}"
    model = f" of the model `{matter.model}`" if matter.model else ""
    images = "image" if matter.numbers == [1] else "images"
    over = f"over {numbers} {images}"
    measured = f"This study measures it with {count(runs, 'run')}{model}"
    if len(places) == 1:
        where = Names({}).at(Variant(places[0]))
        asked = f"How fast are objects detected {where}, and what decides it? {measured}, {over}."
    elif "remote" in places:
        asked = (
            "Are the objects in a batch of images better detected where the images are, or "
            f"somewhere else? {measured} in {len(places)} places, {over}."
        )
    else:
        asked = (
            "Where on one machine are the objects in a batch of images detected fastest? "
            f"{measured} in {len(places)} places, {over}."
        )
    told = [_IS[place] for place in places if place in _IS]
    meant = capital(f"{'; '.join(told)}.") if told else ""
    return [
        *paragraph(asked, _when(study), _ended(study), meant),
        *paragraph(short, lead="In short." if short else ""),
    ]


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
        return f"Of {count(planned, 'planned run')}, {runs - failed} came to an end so far."
    if failed == runs:
        return f"None of the {count(runs, 'run')} came to an end."
    if failed:
        return f"Of these, {failed} failed and {runs - failed} came to an end."
    return f"All {runs} came to an end." if runs > 1 else "The 1 run came to an end."


def _moment(study: Study, name: str) -> datetime | None:
    try:
        return datetime.fromisoformat(environment.text(study.environment, name))
    except ValueError:
        return None


def problem(matter: Comparisons) -> list[Block]:
    """Why the answer is not obvious, in this study's own numbers."""
    study = matter.study
    weight = _weight(study)
    link = said(
        "An image weighs {weight} on average, which {links}.",
        weight=show_bytes(weight) if weight else None,
        links=_links(matter, weight),
    ) or said("An image weighs {weight} on average.", weight=show_bytes(weight) if weight else None)
    away = "remote" in study.place_names()
    trade = (
        "A job is over when its last image has its detections. Elsewhere there may be a faster "
        "machine, but every image has to get there first: offloading pays in transfer for what it "
        "saves in computing."
        if away
        else "A job is over when its last image has its detections, so what counts is the makespan "
        "of the whole batch, not the speed of a single inference."
    )
    return [
        *paragraph(trade, link, _work(matter)),
        *paragraph(_overlap(matter)),
    ]


def _links(matter: Comparisons, weight: float | None) -> str:
    """How long the links take to carry an image: `a link of 10 Mbit/s carries in 0.14 s`."""
    remote = [lane for lane in matter.lanes if lane.place == "remote"]
    sites = [environment.site(matter.study, lane) for lane in remote]
    rates = sorted({site.goodput_bytes_per_s for site in sites if site.goodput_bytes_per_s})
    if not weight or not rates:
        return ""
    carried = [f"{show_rate(rate)} carries in {show_s(weight / rate)}" for rate in rates]
    return f"a link of {listing(carried, 'and one of')}"


def _weight(study: Study) -> float | None:
    sizes = [photo.bytes for photo in study.photos if photo.bytes]
    if sizes:
        return float(np.mean(sizes))
    sent = [run.numbers["sent_bytes"] / run.images for run in study.done
            if run.numbers.get("sent_bytes") and not run.lane.upload_max_side_px]  # fmt: skip
    return float(np.mean(sent)) if sent else None


def _work(matter: Comparisons) -> str:
    parts = []
    for place in dict.fromkeys(group.lane.place for group in matter.groups):
        group = next(g for g in matter.groups if g.lane.place == place)
        spent = phases.of(group)
        work_s = spent.get("decoding", 0.0) + spent.get("inference", 0.0)
        if work_s:
            parts.append(f"{show_s(work_s)} {Names({}).at(group.lane)}")
    return f"Decoding and inference of one take {listing(parts)}." if parts else ""


def _overlap(matter: Comparisons) -> str:
    least, most = min(matter.numbers), max(matter.numbers)
    text = (
        "Images overlap: while one is on its way, others are being detected. A long job therefore "
        "takes about as long as its slowest stage, a short one as long as all stages one after the "
        "other and what it takes to get going"
    )
    if least == most:
        return f"{text}; this study looks at jobs of {count(most, 'image')} alone."
    return f"{text}; that is why this study goes from {count(least, 'image')} to {most:,}."
