"""`offload batch --engine aws-batch` with moto's AWS, each child our own worker in a process."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from offload.drivers.objects.store import opened
from offload.usecases import examples
from tests.aws_batch.bench import NAME, OUT, SOURCE, Bench, as_process, until
from tests.conftest import Offload
from tests.testbed.jobs import Jobs

pytestmark = pytest.mark.xdist_group("aws-batch")

WORDS = (
    "batch", SOURCE, "--out", OUT, "--engine", "aws-batch", "--name", NAME, "-m", "builtin",
    "--offline", "--container-image", "ours:1", "--shard-images", 2,
)  # fmt: skip


@pytest.fixture
def workers(bench: Bench) -> Iterator[Jobs]:
    """Jobs that run our own worker."""
    with Jobs(as_process(bench.account.settings, "offload")).mended() as one:
        yield one


@pytest.fixture
def pictures(bench: Bench, tmp_path: Path) -> Iterator[int]:
    """How many there are in the source; one of them is none."""
    store, files = opened(SOURCE), [Path(path) for path in examples.lay_out(str(tmp_path))][:4]
    for file in files:
        store.put(file.name, file.read_bytes())
    store.put("broken.jpg", b"no picture")
    yield len(files) + 1
    for entry in list(store.list()):
        store.delete(entry.key)


def test_a_plan_creates_nothing_and_says_what_it_costs(bench: Bench, offload: Offload) -> None:
    done = offload(*WORDS, "--max", 20, "--spot", "--plan")
    assert done.returncode == 0, done.stderr
    assert "herd: up to 18 spot instances and 2 on-demand ones of AWS Batch" in done.stdout
    assert f"They read {SOURCE} and write {OUT}, and nothing else." in done.stdout
    assert not bench.there()
    refused = offload(*WORDS)
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].endswith("--yes")


def test_all_images_have_rows_and_what_it_took_goes_again(
    bench: Bench, workers: Jobs, pictures: int, offload: Offload
) -> None:
    done = offload(*WORDS, "--yes", "--json")
    assert done.returncode == 3, done.stderr
    index = json.loads(done.stdout)
    assert (index["images"], index["failed"], index["complete"]) == (pictures, 1, True)
    assert len(workers.attempts) == 3
    again = offload(*WORDS, "--yes", "--json")
    assert json.loads(again.stdout)["images"] == pictures
    assert len(workers.attempts) == 3, "nothing is done twice"
    assert "broken.jpg" in offload("batch", "logs", NAME).stdout
    assert offload("batch", "cancel", NAME).returncode == 0
    gone = offload("down", f"batch:{NAME}")
    assert gone.returncode == 0, gone.stderr
    assert not bench.there()


def test_what_it_may_cost_ends_its_jobs_and_the_same_command_goes_on(
    bench: Bench, workers: Jobs, pictures: int, offload: Offload
) -> None:
    workers.holds = True
    words = (*WORDS, "--yes", "--price", 1, "--max", 1)
    stopped = offload(*words, "--max-cost", 0.1)
    assert stopped.returncode == 1, stopped.stderr
    assert "of --max-cost $0.10 are spent, what is yet to end included" in stopped.stderr
    jobs = bench.connect()(None, None).jobs(NAME)
    until(lambda: not jobs.living())
    workers.holds = False
    done = offload(*words, "--max-cost", 10, "--json")
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout)["images"] == pictures


def test_options_of_machines_mean_nothing_to_another_engine(offload: Offload) -> None:
    done = offload("batch", ".", "--out", "rows", "--plan")
    assert done.returncode == 2
    assert "--plan has no effect with --engine local." in done.stderr
