"""Results in a store: rows in parts that are written once, and documents of all of them."""

import json
import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from offload.domain import typed
from offload.domain.errors import OffloadError, UsageError
from offload.domain.results import SCHEMA, Json, Row
from offload.domain.timing import Clock
from offload.drivers.folders.results_formats import FORMATS
from offload.drivers.folders.results_index import RUN, Before, Index, before, refuse_another
from offload.drivers.objects import documents, packed, store
from offload.drivers.objects.packed import Packing
from offload.drivers.objects.store import Store

_MOST_ROWS = 5000
_FIRST_S, _MOST_S = 2.0, 60.0
"""How old the first row of a part may become before another that comes has the part written: the
first part's, which is soon there to be seen; each later one's that much more; at most.
"""
_ROWS = "rows"
_PART = re.compile(rf"{_ROWS}/\d{{6}}-[0-9a-f]{{16}}-\d{{6}}\.jsonl\.zst")
"""A part's key: a number higher than those of all runs before, who wrote it, the part's number."""
_MOST_BYTES = 2**30


class StoredResults:
    """The results at a store's URL. `append` keeps a row for the next part; what a killed run kept
    is lost, and done again. Others may write there meanwhile: nobody's part has another's name.

    A row's place in the index is its number, in the order of the parts. What cannot be written
    raises OffloadError, and then nothing more is written.
    """

    set_aside = 0

    def __init__(
        self,
        out: Store,
        settings: Json,
        most_rows: int = _MOST_ROWS,
        clock: Clock = time.monotonic,
    ) -> None:
        self.index = Index()
        self.also_sent = _claimed(out, settings).also_sent
        self._out, self._most_rows, self._clock = out, most_rows, clock
        self._parts: list[str] = []
        self._lines = 0
        self._take_in()
        last = self._parts[-1].removeprefix(f"{_ROWS}/")[:6] if self._parts else "0"
        self._name, self._written = f"{int(last) + 1:06}-{secrets.token_hex(8)}", 0
        self._begin()

    def append(self, row: Row) -> None:
        """Add a row; a later row of the same path replaces the earlier."""
        if not self._waiting:
            self._since_s = self._clock()
        self._packing.add(packed.line_of(row.to_dict()))
        self.index.add(self._lines, row)
        self._lines += 1
        self._waiting += 1
        most_s = min(_MOST_S, _FIRST_S * (self._written + 1))
        if self._waiting == self._most_rows or self._clock() - self._since_s >= most_s:
            self._write()

    def write_run(self, document: Json) -> None:
        """Write `run.json`."""
        if not self._is_broken:
            self._out.put(RUN, _as_json(document))

    def export(
        self,
        formats: Sequence[str],
        labels: Mapping[int, str],
        run: Json,
        pictures_show: float | None = None,
    ) -> None:
        """Write the asked documents, and those that are there, anew from all parts, in their order;
        those too that others have written by now. There are no pictures.
        """
        del pictures_show
        if self._is_broken:
            return
        self._write()
        self._take_in()
        names = [name for name in FORMATS if name in formats or self._out.has(FORMATS[name])]
        documents.join(self.rows, names, self._out, labels, run)

    def rows(self) -> Iterator[Row]:
        """The last row of each path, of those that are written."""
        number = 0
        for part in self._parts:
            for row in self._read(part):
                if self.index[row.path].at == number:
                    yield row
                number += 1

    def close(self) -> None:
        """Write what is left."""
        if not self._is_broken:
            self._write()

    def _begin(self) -> None:
        self._packing, self._waiting, self._since_s = Packing(), 0, 0.0
        self._is_broken = False

    def _write(self) -> None:
        """The rows that wait, as a part."""
        if not self._waiting:
            return
        key = f"{_ROWS}/{self._name}-{self._written:06}.jsonl.zst"
        self._is_broken = True
        # One that is there already is ours: an answer was lost, and it was sent again.
        self._out.put_new(key, self._packing.packed())
        self._parts.append(key)
        self._written += 1
        self._begin()

    def _take_in(self) -> None:
        """The parts that are not known yet, those of later runs last."""
        for part in sorted(set(_parts(self._out)) - set(self._parts)):
            for row in self._read(part):
                self.index.add(self._lines, row)
                self._lines += 1
            self._parts.append(part)

    def _read(self, part: str) -> Iterator[Row]:
        data = self._out.get(part, _MOST_BYTES)
        if data is None:
            raise OffloadError(f"{self._out.url}/{part} is gone.", hint=_AGAIN)
        try:
            for line in packed.lines(data):
                yield Row.from_dict(typed.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            wrong = f"{self._out.url}/{part} is damaged: remove it, and its images are done again."
            raise OffloadError(wrong, hint=_AGAIN) from error


_AGAIN = "The same command continues with the other rows: offload detect SOURCE --out URL"


@contextmanager
def opened(url: str, settings: Json, *, overwrite: bool) -> Iterator[StoredResults]:
    """The results at `url` for a run with `settings`, continued, or begun anew if `overwrite`; rows
    that wait are written when the context ends, however it does.

    Raises:
        UsageError: there are results of other settings, or of a batch.
        OffloadError: the store refuses or does not answer.
    """
    out = store.opened(url)
    if overwrite:
        _remove(out)
    found = StoredResults(out, settings)
    try:
        yield found
    finally:
        found.close()


def _claimed(out: Store, settings: Json) -> Before:
    """What is known of the run before; of several that begin, one alone says what settings hold.

    Raises:
        UsageError: these are others.
    """
    if out.put_new(RUN, _as_json({"settings": settings})):
        if next(_parts(out), None) is not None:
            out.delete(RUN)
            refuse_another(out.url, None, settings)
        return Before()
    then = before(out.get(RUN, _MOST_BYTES) or b"")
    refuse_another(out.url, then.settings, settings)
    return then


def _parts(out: Store) -> Iterator[str]:
    """The keys of the parts that are there, in no order.

    Raises:
        UsageError: there are rows of a batch.
    """
    for key, *_ in out.list(_ROWS):
        if not _PART.fullmatch(key):
            raise UsageError(
                f"{out.url} holds the rows of a batch, or other objects ({key}).",
                hint="Choose another --out, or continue it: offload batch SOURCE --out URL",
            )
        yield key


def _remove(out: Store) -> None:
    """All that runs wrote; last what says with which settings."""
    for key in [*_parts(out), *FORMATS.values(), RUN]:
        out.delete(key)


def _as_json(document: Json) -> bytes:
    text = json.dumps({"schema": SCHEMA} | document, indent=1, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace")
