"""A shard's images into rows, in whichever process is told to."""

import os
import platform
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from importlib import resources

from offload import detectors
from offload.detectors.catalogue import BUILTIN
from offload.detectors.source import ModelSource
from offload.domain import typed
from offload.domain.errors import ModelError, OffloadError
from offload.domain.events import Reporter, Stop
from offload.domain.ports import Session
from offload.drivers import settings
from offload.drivers.folders import files
from offload.drivers.host import machine
from offload.drivers.objects import packed
from offload.drivers.objects.store import Entry, Store, opened
from offload.engines.ports import Outcome, Shard
from offload.places import inprocess
from offload.providers.config import PlaceConfig
from offload.usecases.batch import layout
from offload.usecases.batch.layout import Spec
from offload.usecases.batch.reading import ReadAhead
from offload.usecases.detect import rows

_MOST_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class Up:
    """What a process keeps for all shards of a batch."""

    spec: Spec
    session: Session
    held: ExitStack


_lock = threading.Lock()
_kept: list[Up] = []


def work(spec: Spec, shard: Shard) -> Outcome:
    """Detect in a shard's images and write their rows, unless somebody did. An image that cannot be
    used is a row with its reason; where the shard cannot be done, the outcome says why.
    """
    began_s = time.monotonic()
    outcome = Outcome(shard.number, host=platform.node())
    try:
        outcome = _done(spec, shard, outcome)
    except OffloadError as error:
        outcome = replace(outcome, error=str(error))
    return replace(outcome, took_s=time.monotonic() - began_s)


def _done(spec: Spec, shard: Shard, outcome: Outcome) -> Outcome:
    out = opened(spec.out)
    if layout.is_cancelled(out):
        raise OffloadError("The batch is cancelled.", hint="To go on: the same command again")
    if layout.has_rows(out, shard.name):  # whoever wrote them died before it could say so
        return replace(outcome, images=shard.images, wrote=False)
    session = brought_up(spec).session
    entries = listed(out, shard.name)
    tally, packing = rows.Tally(), packed.Packing()
    with ReadAhead(opened(spec.source), entries) as images:
        job = rows.Job([each.key for each in entries], images.read)
        clock, stop = time.perf_counter, Stop()
        with closing(rows.detect(job, session, spec.where, clock, stop)) as found:
            for row in found:
                tally.add(row)
                packing.add(packed.line_of(row.to_dict()))
        images.check()
    wrote = out.put_new(layout.rows_key(shard.name), packing.packed())
    return replace(
        outcome, images=tally.images, failed=tally.failed, objects=tally.objects, wrote=wrote
    )


def listed(out: Store, name: str) -> Sequence[Entry]:
    """The images of a shard, in the order of the listing.

    Raises:
        OffloadError: its list is gone or damaged.
    """
    key = layout.list_key(name)
    data = out.get(key, _MOST_BYTES)
    try:
        if data is None:
            raise ValueError("it is gone")
        return [Entry(*typed.loads(line)) for line in packed.lines(data)]
    except (ValueError, TypeError) as error:
        raise OffloadError(f"{out.url}/{key} cannot be read: {error}.") from error


def brought_up(spec: Spec) -> Up:
    """The detectors of this process, loaded when it does its first shard."""
    with _lock:
        if not (_kept and _kept[0].spec == spec):
            _kept[:] = [_loaded(spec)]
        return _kept[0]


def _loaded(spec: Spec) -> Up:
    model = model_here(spec, opened(spec.out))
    cores = spec.cores or machine.usable_cores()
    config = PlaceConfig(
        asked=None,
        labels=None,
        resolve=lambda _asked: model,
        here=lambda: model,
        cache="",
        load=detectors.load,
        max_pixels=spec.max_pixels,
        clock=time.perf_counter,
        cores=cores,
        threads=spec.threads,
        reporter=Reporter(),
    )
    held = ExitStack()  # nothing is given up before the process ends
    place = inprocess.make(config)
    session = held.enter_context(place.open(spec.selection, cores))
    return Up(spec, session, held)


def model_here(spec: Spec, out: Store) -> ModelSource:
    """The batch's model on this disk: ours, where it lay when the batch was begun, or a copy of
    what is under the output.

    Raises:
        ModelError: it is another one, or nowhere.
    """
    wanted = spec.model.identity
    if wanted.name == BUILTIN:
        folder = resources.files("offload.detectors") / "builtin"
        return replace(spec.model, path=str(folder / "model.tflite"))
    if _is(spec.model.path, wanted.sha256):
        return spec.model
    cache = settings.load(os.environ).models_path
    path = os.path.join(cache, "batch", wanted.sha256, os.path.basename(spec.model.path))
    if not _is(path, wanted.sha256):
        _fetch(out, wanted.sha256, os.path.dirname(path))
    if not _is(path, wanted.sha256):
        raise ModelError(f"The model {wanted.name} of the batch is not under {out.url}.")
    return replace(spec.model, path=path)


def _is(path: str, sha256: str) -> bool:
    return os.path.exists(path) and files.sha256_of(path) == sha256


def _fetch(out: Store, sha256: str, folder: str) -> None:
    home = f"{layout.MODEL}/{sha256}"
    for each in out.list(home):
        found = out.read(each.key)
        if found is not None:
            path = os.path.join(folder, *each.key.removeprefix(home).strip("/").split("/"))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            files.atomic_write_bytes(path, found.data)


def share_model(spec: Spec, out: Store) -> None:
    """Put the model where every process finds it that reads the output."""
    model = spec.model
    if model.identity.name == BUILTIN:
        return
    home, top = f"{layout.MODEL}/{model.identity.sha256}", os.path.abspath(model.path)
    paths = [top]
    if os.path.isdir(top):
        paths = [os.path.join(at, name) for at, _, names in os.walk(top) for name in names]
    for path in paths:
        below = os.path.relpath(path, os.path.dirname(top)).replace(os.sep, "/")
        with open(path, "rb") as file:
            out.put_new(f"{home}/{below}", file.read())
