"""Where a detection's rows are kept: a folder, or a store."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from offload.domain.results import Json, Row
from offload.drivers.folders import results_dir
from offload.drivers.folders.results_index import Index
from offload.drivers.objects import results as stored
from offload.drivers.objects.store import is_url


class Results(Protocol):
    """Rows of this run and of those before, and documents of all."""

    also_sent: list[str]
    set_aside: int

    @property
    def index(self) -> Index:
        """What is done."""
        ...

    def append(self, row: Row) -> None:
        """Add a row; a later row of the same path replaces the earlier."""
        ...

    def rows(self) -> Iterator[Row]:
        """The last row of each path."""
        ...

    def write_run(self, document: Json) -> None:
        """Write `run.json`."""
        ...

    def export(
        self,
        formats: Sequence[str],
        labels: Mapping[int, str],
        run: Json,
        pictures_show: float | None = None,
    ) -> None:
        """Write the documents of all rows."""
        ...


def opened(out: str, settings: Json, *, overwrite: bool) -> AbstractContextManager[Results]:
    """The results at a folder or a URL for a run with `settings`, continued, or begun anew.

    Raises:
        UsageError: there are results of other settings, or nothing can be written.
        OffloadError: another run is writing to the folder, or the store refuses.
    """
    chosen: Callable[..., AbstractContextManager[Results]]
    chosen = stored.opened if is_url(out) else results_dir.opened
    return chosen(out, settings, overwrite=overwrite)
