"""The documents of all rows in a store, as a folder has them."""

import io
from collections.abc import Iterable, Mapping
from typing import IO, Any

from offload.domain.results import Json
from offload.drivers.folders.parquet import Rows
from offload.drivers.folders.results_formats import FORMATS, WRITERS
from offload.drivers.objects.store import Store

_BUFFER_BYTES = 2**20


def join(
    rows: Rows, formats: Iterable[str], store: Store, labels: Mapping[int, str], run: Json
) -> None:
    """Write the asked documents of `rows` to `store`, each whole or not at all, in memory that does
    not grow with the rows. `rows` is called once for each document, twice for COCO; `labels` are
    the model's classes by id, `run` is what JSON documents say of how the rows came about.

    Raises:
        UsageError: a library is missing that a format needs.
        OffloadError: the store refuses, or the rows cannot be read.
    """
    for name in formats:
        with store.writer(FORMATS[name]) as raw:
            file = io.BufferedWriter(_Raw(raw), _BUFFER_BYTES)
            WRITERS[name](file, rows, labels, run)
            file.flush()


class _Raw(io.RawIOBase):
    """What only has `write`, as a file that Python's buffers take."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: Any) -> int:
        """All of it."""
        whole = bytes(data)
        self._file.write(whole)
        return len(whole)
