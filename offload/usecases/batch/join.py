"""All rows of a batch in one file, a format each, as a stream."""

import codecs
from collections.abc import Iterable, Mapping, Sequence

from offload.domain.results import Json
from offload.drivers.folders.results_dir import FORMATS
from offload.drivers.folders.results_formats import WRITERS
from offload.drivers.objects import packed
from offload.drivers.objects.store import Store
from offload.engines.ports import Shard
from offload.usecases.batch import index


def join(
    out: Store,
    shards: Sequence[Shard],
    formats: Iterable[str],
    labels: Mapping[int, str],
    run: Json,
) -> None:
    """Write them under the output, in the order of the shards.

    Raises:
        OffloadError: rows cannot be read, or the store refuses.
    """
    for name in formats:
        with out.writer(FORMATS[name]) as file:
            if name in WRITERS:
                text = codecs.getwriter("utf-8")(file, "backslashreplace")
                WRITERS[name](text, lambda: index.rows(out, shards), labels, run)  # type: ignore[arg-type] # it is written to, no more
                continue
            for row in index.rows(out, shards):
                file.write(packed.line_of(row.to_dict()) + b"\n")
