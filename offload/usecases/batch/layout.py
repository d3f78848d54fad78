"""What is where under a batch's output, and the documents that it holds."""

from dataclasses import dataclass, field
from typing import Any, TypeVar

from offload.costmodel.terms import SHORTEST_S
from offload.detectors.source import ModelSource
from offload.domain import typed
from offload.domain.errors import OffloadError
from offload.domain.results import SCHEMA, Json
from offload.domain.vision import Selection
from offload.drivers.objects.store import Store
from offload.engines.ports import Shard

T = TypeVar("T")

PLAN, MANIFEST, INDEX, CANCELLED = "plan.json", "manifest.json", "index.json", "cancelled"
LISTS, ROWS, MODEL = "manifest", "rows", "model"
_MOST_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class Spec:
    """What a process must know to do any shard of a batch: where images come from and rows go to,
    and what their rows depend on. `cores` None is all that a worker may use, `threads` None one
    a detector. It holds no secret.
    """

    source: str
    out: str
    model: ModelSource
    selection: Selection
    max_pixels: int
    where: str = "local"
    cores: int | None = None
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is decided before anything is listed: `settings` are what must be the same for a batch
    to be continued, `images` how many one of `workers` workers does in five minutes, and whether
    shards grow from `shortest_s` of work on, instead of each having so many.
    """

    name: str
    settings: Json
    spec: Spec
    images: int
    workers: int
    grows: bool = True
    shortest_s: float = SHORTEST_S


@dataclass(frozen=True, slots=True)
class Manifest:
    """All shards of a batch, and how many images and bytes they have together."""

    name: str
    source: str
    settings: Json
    images: int
    bytes: int
    shards: list[Shard]


@dataclass(frozen=True, slots=True)
class Index:
    """What a batch came to: `missing` are shards without rows, `errors` why, where that is known.
    `complete` says that there are none, and that every image of the manifest has one row.
    """

    name: str
    source: str
    complete: bool
    shards: int
    images: int
    failed: int
    objects: int
    missing: list[str] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    offload: str = ""
    finished_at: str = ""


def list_key(name: str) -> str:
    """The object that lists the images of a shard."""
    return f"{LISTS}/{name}.jsonl.zst"


def rows_key(name: str) -> str:
    """The object that holds the rows of a shard."""
    return f"{ROWS}/{name}.jsonl.zst"


def name_of(key: str) -> str:
    """The shard that an object is of."""
    return key.rpartition("/")[2].partition(".")[0]


def as_json(document: Any) -> bytes:
    """One of the documents as it is written."""
    return typed.encoded({"schema": SCHEMA} | typed.builtins(document))


def read(out: Store, key: str, kind: type[T]) -> T | None:
    """One of the documents; None if there is none.

    Raises:
        OffloadError: it is something else.
    """
    data = out.get(key, _MOST_BYTES)
    if data is None:
        return None
    try:
        return typed.parse(kind, data)
    except ValueError as error:
        raise OffloadError(f"{out.url}/{key} is no document of a batch: {error}.") from error


def done(out: Store) -> set[str]:
    """The shards that have their rows."""
    return {name_of(each.key) for each in out.list(ROWS)}


def has_rows(out: Store, name: str) -> bool:
    """Whether that shard has its rows."""
    return out.get(rows_key(name), _MOST_BYTES) is not None


def is_cancelled(out: Store) -> bool:
    """Whether somebody asked that nothing more is begun."""
    return out.get(CANCELLED, _MOST_BYTES) is not None
