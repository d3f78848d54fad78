"""`offload.advise` and `offload.profile`."""

from collections.abc import Iterable
from typing import Literal

from offload import bootstrap
from offload.api.boundary import HERE, Names, Path, checked, explained, hear
from offload.costmodel.advice import Advice
from offload.domain.errors import PlaceUnavailable, UsageError
from offload.domain.events import Event, Failed
from offload.domain.measurements import Measurement
from offload.domain.typed import Amount, Percent, Positive, Seconds, Share, SidePx, Workers
from offload.drivers.images import handed, pictures
from offload.drivers.images.handed import Sources
from offload.usecases.advise import advise as advising
from offload.usecases.advise.question import Question
from offload.usecases.detect.request import at_each
from offload.usecases.profile import profile as profiling
from offload.usecases.profile import stored


def advise(
    sources: Sources | None = None,
    *,
    images: Positive | None = None,
    engine: str | None = None,
    workers: Positive | None = None,
    recursive: bool = False,
    model: Path | None = None,
    optimize: Literal["time", "cost"] = "time",
    risk: Literal["mean", "averse"] = "mean",
    deadline_s: Seconds | None = None,
    max_cost_usd: Amount | None = None,
    value_of_time_usd_per_h: Amount | None = None,
    uplink_bytes_per_s: Amount | None = None,
    rtt_s: Seconds | None = None,
    image_bytes: Amount | None = None,
    state: str | None = None,
    url: str | None = None,
    price_usd_per_h: Amount | None = None,
    instance_type: str | None = None,
    region: str = "us-east-1",
    idle_s: Seconds = 1200.0,
    min_agreement: Share = 0.97,
    from_file: Path | None = None,
    offline: bool = False,
) -> Advice:
    """Where to run a job, given `sources` or the number of `images`: the answer of `offload advise`
    as an object. It rests on what `profile` and past runs measured; what was never measured is
    assumed. `engine` has up to `workers` workers who may do it.

    `choice.chosen` is the option to take, `options` are all of them: `seconds` with `low_s` and
    `high_s`, which hold 90 %, `usd`, and `lane` with the `place` and each term of its cost.
    `choice.p_best` is the probability of each to be best, by lane; `break_evens` is where the
    answer changes.

    >>> advice = offload.advise(images=200, model="builtin", offline=True)
    >>> best = advice.choice.chosen
    >>> best.lane.place, best.low_s < best.seconds < best.high_s, best.usd
    ('local', True, 0.0)

    Raises:
        UsageError: an argument is invalid, or a source or file does not exist.
    """
    given = checked(advise, locals())
    with explained():
        held = () if sources is None else handed.sources(sources)
        question = Question(sources=held, **given)
        context = bootstrap.context(hear)
        if question.stored:
            question = stored.looked_at(question, context)
        return advising.advice(question, context)


def profile(
    sources: Path | Iterable[Path],
    *,
    where: Names = HERE,
    budget_s: Seconds = 10.0,
    recursive: bool = False,
    model: Path | None = None,
    labels: Path | None = None,
    max_pixels: Positive = pictures.MAX_PIXELS,
    workers: Workers | None = None,
    threads: Workers | None = None,
    url: str | None = None,
    token: str | None = None,
    machine: str | None = None,
    concurrency: Workers | None = None,
    timeout_s: Seconds = 60.0,
    upload_max_side: SidePx | None = None,
    upload_quality: Percent = 90,
    strip_metadata: bool = False,
    container_image: str | None = None,
    cpus: float | None = None,
    memory: str | None = None,
    offline: bool = False,
) -> list[Measurement]:
    """Measure places with images drawn at random from `sources`, and keep what was measured, as
    `offload profile` does: start-up, link and inference, about `budget_s` each. `sources` are
    paths. `advise` uses it from then on.

    >>> measured = offload.profile("photos", where=["local", "container"])  # doctest: +SKIP
    >>> [m.condition.place for m in measured if m.images]  # doctest: +SKIP
    ['local', 'container']

    Raises:
        UsageError: an argument is invalid, or a source does not exist.
        PlaceUnavailable: none of the places is available. One of several that is not is logged.
    """
    given = checked(profile, locals()) | {"sources": handed.sources(sources)}
    if not all(isinstance(each, str) for each in given["sources"]):
        raise UsageError("profile needs files: give their paths or their folder.")
    lost: list[str] = []
    failures: list[Failed] = []

    def note(event: Event) -> None:
        if isinstance(event, Failed):
            failures.append(event)

    with explained():
        budget = given.pop("budget_s")
        requests = at_each(given.pop("where"), **given)
        context = bootstrap.context(hear, note, offline=offline)
        found = []
        with context.history() as store:
            for each in profiling.measurements(requests, context, budget, lost):
                store.add(each)
                found.append(each)
        if failures and not found:
            raise PlaceUnavailable(failures[-1].text, hint=failures[-1].hint)
    for each in found:
        for warning in each.warnings:
            context.reporter.warn(f"{each.condition.place}: {warning}")
    return found
