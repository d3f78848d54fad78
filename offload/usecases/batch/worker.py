"""One shard in a process that an engine started for it."""

from dataclasses import replace

from offload.domain import typed
from offload.domain.errors import OffloadError
from offload.drivers.objects.store import Store, opened
from offload.engines.ports import Outcome, Shard
from offload.usecases.batch import layout, plan, shard
from offload.version import __version__

_MOST_BYTES = 2**30


def one(out_url: str, todo: str, index: int, expects: str | None = None) -> Outcome:
    """Do the shard whose number is the `index`th in the list at the key `todo` under the output.
    `expects` is the version of offload that sent it.

    Raises:
        OffloadError: there is no such shard, the store refuses, or this is another version.
    """
    if expects not in {None, __version__}:
        raise OffloadError(
            f"This image has offload {__version__}, and offload {expects} began the batch.",
            hint="To build one of that version: the same command without --container-image",
        )
    out = opened(out_url)
    numbers = _numbers(out, todo)
    if index >= len(numbers):
        raise OffloadError(f"{out.url}/{todo} lists {len(numbers)} shards, so none is {index}.")
    # What the machine has, not what the one has that began the batch.
    spec = replace(plan.plan_of(out).spec, out=out_url, cores=None)
    return shard.work(spec, _shard(out, numbers[index]))


def _numbers(out: Store, todo: str) -> list[int]:
    data = out.get(todo, _MOST_BYTES)
    try:
        return typed.parse(list[int], data or b"")
    except ValueError as error:
        raise OffloadError(f"{out.url}/{todo} is no list of shards: {error}.") from error


def _shard(out: Store, number: int) -> Shard:
    """A shard by its number: of the manifest, or as long as there is none, by what is listed."""
    start = f"{layout.LISTS}/{number:05}-"
    names = []
    for each in out.list(layout.LISTS, after=start):
        if each.key.startswith(start):
            names.append(layout.name_of(each.key))
        elif names:
            break
    if len(names) != 1:
        named = {each.number: each for each in plan.manifest_of(out).shards}
        if number not in named:
            raise OffloadError(f"{out.url} has no shard {number}.")
        return named[number]
    entries = shard.listed(out, names[0])
    return Shard(number, names[0], len(entries), sum(each.size_bytes for each in entries))
