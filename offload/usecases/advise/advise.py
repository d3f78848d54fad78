"""Advice put together: the job, what was measured, prices."""

import datetime
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from offload.costmodel.advice import Advice, advise
from offload.costmodel.candidates.build import Overrides
from offload.costmodel.candidates.build import machine as measured
from offload.costmodel.decide import Goal
from offload.costmodel.dollars import Billing
from offload.detectors import source
from offload.domain.errors import OffloadError, UsageError
from offload.domain.machines import Kind
from offload.domain.measurements import Measurement
from offload.domain.places import SPLIT, StartState
from offload.drivers.folders import machine_files
from offload.drivers.host import machine
from offload.drivers.images import image_files
from offload.drivers.settings import Settings
from offload.places import known as known_places
from offload.usecases.advise import command, prices
from offload.usecases.advise.question import INSTANCE, Question
from offload.usecases.advise.workers import workers
from offload.usecases.context import Context
from offload.usecases.history import query

_OLD = datetime.timedelta(days=7)
_UNKNOWN_SLOTS = 2


def advice(question: Question, context: Context) -> Advice:
    """The answer to a question.

    Raises:
        UsageError: what is asked cannot be meant, or a file of measurements cannot be read.
    """
    configured, file = context.settings, question.from_file
    model = question.model or configured.model
    if file is None:
        model = model or source.default_name(context.hub)
        question = replace(question, machines=_machines(configured))
    known = query.known(file, model, question.url, context)
    return answer(question, context, known)


def _machines(configured: Settings) -> dict[Kind, StartState]:
    """Each kind of machine that this computer brought up, in the start state that it was left in;
    of several of a kind, of the one that is soonest ready.
    """
    found: dict[Kind, StartState] = {}
    for folder in machine_files.folders(configured.machines_path):
        with suppress(OffloadError):  # a damaged record is told of where the machine is asked for
            record = folder.record()
            if record and record.ready and found.get(record.kind) is not StartState.WARM:
                found[record.kind] = StartState.WARM if record.address else StartState.STOPPED
    return found


def answer(question: Question, context: Context, known: query.History) -> Advice:
    """The answer to a question from what is `known`.

    Raises:
        UsageError: the sources name no image.
    """
    places = known_places()
    by_hand, billing = _given(question, known.measurements, context)
    notes = () if question.from_file else _notes(known.measurements)
    about = known.measurements, known.outcomes, _goal(question)
    hands = workers(question, billing)
    found = advise(*about, by_hand, billing, known.model, places, notes, hands)
    servers = command.servers(known.measurements)
    here = {key for key, server in servers.items() if command.is_here(server)}
    if found.split and here & set(found.split.lane.key.split()):
        # Two that share this machine's cores are not two places.
        names = question.places or (*places, *(m.condition.place for m in known.measurements))
        by_hand = replace(by_hand, places=tuple(name for name in names if name != SPLIT))
        found = advise(*about, by_hand, billing, known.model, places, notes, hands)
    named = command.model_option(question.model or context.settings.model, known.model)
    found = replace(found, model_option=named, served_here=frozenset(here))
    typed = command.command(question, found, known.measurements, context)
    return replace(found, command=typed)


def _given(
    question: Question, measurements: Sequence[Measurement], context: Context
) -> tuple[Overrides, Billing]:
    """What was said, and what it leaves to this machine; and what a remote machine costs."""
    by_hand = Overrides(
        uplink_bytes_per_s=question.uplink_bytes_per_s,
        rtt_s=question.rtt_s,
        image_bytes=question.image_bytes,
        replicas=question.replicas,
        slots=question.slots or _cores(question, measurements),
        min_agreement=question.min_agreement,
        places=question.places,
        network=None if question.from_file else machine.network(),
        may_rent=question.may_rent
        or any(m.is_bring_up or m.condition.machine for m in measurements),
    )
    kind = _meant(question, measurements, by_hand)
    billing, remote_slots = _billing(question, kind, context)
    state = question.state or (question.machines.get(kind, StartState.ABSENT) if kind else None)
    kind = kind or _priced(question)
    offline = question.offline or question.from_file is not None
    calls = prices.of_known_calls(measurements, context, kind.region, offline=offline)
    billing = replace(billing, calls=calls)
    return replace(by_hand, remote_slots=remote_slots, state=state, kind=kind), billing


def _meant(
    question: Question, measurements: Sequence[Measurement], by_hand: Overrides
) -> Kind | None:
    """The kind of rented machine that is meant: named, measured, or there; None of a server."""
    if question.url:
        return Kind.of(question.url)
    kind = measured(measurements, by_hand, known_places())
    is_server = any(m.condition.url for m in measurements if m.is_of_a_place)
    if kind or is_server or question.instance_type:
        return kind
    return next(iter(question.machines), None)


def _goal(question: Question) -> Goal:
    images, total_bytes = _job(question)
    return Goal(
        images=images,
        total_bytes=total_bytes if question.image_bytes is None else images * question.image_bytes,
        optimize=question.optimize,
        deadline_s=question.deadline_s,
        max_cost_usd=question.max_cost_usd,
        value_of_time_usd_per_h=question.value_of_time_usd_per_h,
        risk=question.risk,
    )


def _job(question: Question) -> tuple[int, float | None]:
    """How many images, and what they weigh together if that is known."""
    if question.counted is not None:
        return question.counted
    if question.images is not None:
        return question.images, None
    found = image_files.find(question.sources, recursive=question.recursive, command="advise")
    sizes = [size for size in map(found.size_bytes, found.paths) if size]
    if not sizes:
        raise UsageError("There are no images to advise on.", hint="offload advise --images 200")
    return len(sizes), float(sum(sizes))


def _priced(question: Question) -> Kind:
    """The kind of machine that is priced where none was measured."""
    return Kind(question.instance_type or INSTANCE, question.region)


def _billing(question: Question, kind: Kind | None, context: Context) -> tuple[Billing, int]:
    """What a remote machine costs, and how many images it works on at a time if nobody measured.

    `kind` is that of the machine that was measured, or is meant, if it is a rented one.
    """
    if question.price_usd_per_h is not None:
        by_hand = Billing(question.price_usd_per_h, "set by hand", idle_s=question.idle_s)
        return by_hand, _UNKNOWN_SLOTS
    named = question.instance_type is not None
    meant = Kind.of(question.url) is not None
    rented = None if named else kind
    priced = rented or _priced(question)
    try:
        # Where nobody named a machine, nobody is asked what it costs.
        offline = question.offline or not (named or meant)
        found = prices.find(priced.instance_type, priced.region, context, offline=offline)
    except UsageError as error:
        if rented is None:
            raise
        context.reporter.warn(f"{error} Dollars are left out. {error.hint}")
        return Billing(how=f"no price of {rented.label} is known"), _UNKNOWN_SLOTS
    how = f"{found.instance_type} in {found.region}, {found.source}"
    assumed = rented is None and not named
    billing = Billing(
        found.usd_per_h, how, found.as_of, question.idle_s, assumed,
        disk_usd_per_gb_month=found.disk_usd_per_gb_month,
    )  # fmt: skip
    return billing, found.vcpus


def _cores(question: Question, measurements: Sequence[Measurement]) -> int:
    """Of this machine; with somebody's measurements, of the machine that measured last."""
    if question.from_file is None:
        return machine.usable_cores()
    newest = max(measurements, key=lambda m: m.taken_at, default=None)
    cores = newest.condition.client.get("usable_cores") if newest else None
    return cores if isinstance(cores, int) and cores > 0 else machine.usable_cores()


def _notes(measurements: Sequence[Measurement]) -> list[str]:
    """Why the measurements may not hold today."""
    jobs = [m for m in measurements if m.is_of_a_place]
    newest = {m.condition.place: m for m in sorted(jobs, key=lambda m: m.taken_at)}
    now = datetime.datetime.now(datetime.UTC)
    notes = []
    for place, m in newest.items():
        age = now - datetime.datetime.fromisoformat(m.taken_at)
        if age > _OLD:
            notes.append(f"The measurements of {place} are {age.days} days old.")
        if m.condition.network not in {None, machine.network()}:
            notes.append("The link was measured from another network.")
    return notes
