"""How many images a worker does in the time that a shard is to take."""

import time
from contextlib import closing
from functools import partial
from itertools import islice

from offload.domain.errors import OffloadError
from offload.domain.events import Stop
from offload.domain.measurements import Measurement
from offload.drivers.host import machine
from offload.drivers.images.walk import is_picture
from offload.drivers.objects.store import opened
from offload.engines.local import LocalEngine
from offload.engines.ports import Job, Outcome, Shard
from offload.places import known
from offload.usecases.batch import shard
from offload.usecases.batch.layout import Spec
from offload.usecases.batch.reading import ReadAhead
from offload.usecases.context import Context
from offload.usecases.detect import rows
from offload.usecases.history.query import of_model

_SHARD_S = 300.0
_SAMPLE, _SAMPLE_S = 64, 10.0
_LEAST, _MOST = 10, 100_000
"""Images in a shard whose workers are thought to be very slow, or very fast."""


def images_of_shard(spec: Spec, context: Context) -> int:
    """How many images a worker does in five minutes: as was measured on this machine, or is now.

    Raises:
        OffloadError: nothing can be measured.
    """
    pictures = (each for each in opened(spec.source).list() if is_picture(each.key))
    if sum(1 for _ in islice(pictures, _SAMPLE + 1)) <= _SAMPLE:
        return _SAMPLE  # doing them takes no longer than measuring
    rate = _known(spec, context) or _measured(spec, context)
    cores = machine.usable_cores()
    share = min(1.0, (spec.cores or cores) / cores)
    return min(_MOST, max(_LEAST, round(rate * share * _SHARD_S)))


def _known(spec: Spec, context: Context) -> float | None:
    """Images a second of the latest run with the model in this process."""
    here, place = machine.describe()["name"], known().in_process.name
    found = [
        each
        for each in of_model(spec.model.identity, None, context).measurements
        if each.condition.place == place
        and each.condition.host.get("name") == here
        and each.is_of_a_place
        and len(each.images) >= _SAMPLE
    ]
    return _rate(max(found, key=lambda each: each.taken_at)) if found else None


def _rate(of: Measurement) -> float:
    last = max(of.images, key=lambda image: image.finished_s)
    return last.number / max(last.finished_s, 1e-3)


def _measured(spec: Spec, context: Context) -> float:
    """The same of the first images, in a process that ends then."""
    context.reporter.note("Measuring with the first images, which says how large shards are")
    job = Job("pace", spec.out, partial(sampled, spec))
    engine = LocalEngine(1)
    with engine.open() as session:
        [outcome] = session.run(job, iter([Shard(0, "", _SAMPLE, 0)]), Stop())
    if outcome.error:
        raise OffloadError(f"Nothing could be measured: {outcome.error}")
    return outcome.images / max(outcome.took_s, 1e-3)


def sampled(spec: Spec, of: Shard) -> Outcome:
    """The first images, without their rows, once detectors are warm; for some seconds at most."""
    source = opened(spec.source)
    entries = list(islice((each for each in source.list() if is_picture(each.key)), of.images))
    try:
        session = shard.brought_up(spec).session
    except OffloadError as error:
        return Outcome(of.number, error=str(error))
    began_s = time.monotonic()
    done, stop = 0, Stop()
    with ReadAhead(source, entries) as images:
        job = rows.Job([each.key for each in entries], images.read)
        with closing(rows.detect(job, session, spec.where, time.perf_counter, stop)) as found:
            for _ in found:
                done += 1
                if done == session.concurrency and len(entries) > 2 * done:
                    began_s = time.monotonic()
                elif time.monotonic() - began_s > _SAMPLE_S:
                    stop.ask()
    warm = session.concurrency if len(entries) > 2 * session.concurrency else 0
    return Outcome(of.number, images=max(1, done - warm), took_s=time.monotonic() - began_s)
