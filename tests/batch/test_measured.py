"""What a batch tells of an engine's workers."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from offload.drivers.objects.store import opened
from offload.engines.ports import Outcome
from offload.usecases.batch import layout
from offload.usecases.batch.measured import measurement
from tests.batch.test_plan import planned


def test_shards_are_jobs_of_one_worker_and_measure_no_place(tmp_path: Path) -> None:
    out = opened(str(tmp_path))
    out.put(layout.PLAN, layout.as_json(planned(1000, 4)))
    run = cast("Any", SimpleNamespace(out=out, session=SimpleNamespace(workers=4)))
    done = [Outcome(n, images=100, took_s=5.0 + n, host=f"node-{n % 2}") for n in range(3)]
    found = measurement(run, "dask", 12.0, done)
    assert (found.condition.place, found.source, found.in_flight) == ("dask", "batch", 4)
    assert [total.execution_s for total in found.totals] == [5.0, 6.0, 7.0]
    assert found.starts[0].startup_s == 12.0
    assert found.facts["hosts"] == 2
    assert not found.is_of_a_place
