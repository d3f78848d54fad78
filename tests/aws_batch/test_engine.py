"""Shards at moto's AWS Batch, each child a process of this machine."""

import json
import threading
import time
from collections.abc import Callable

import pytest

from offload.domain.errors import PlaceUnavailable
from offload.domain.events import Stop, Warned
from offload.drivers import settings
from offload.drivers.aws.batch.spec import called
from offload.drivers.aws.ec2 import Cloud
from offload.engines.aws_batch import BatchEngine
from offload.engines.ports import EngineConfig
from offload.usecases.batch import status
from offload.usecases.batch.status import KnownBatch
from tests.aws_batch import toy
from tests.aws_batch.bench import NAME, OUT, Bench, until
from tests.contexts import context
from tests.testbed.jobs import Jobs

pytestmark = pytest.mark.xdist_group("aws-batch")


@pytest.fixture
def up(bench: Bench, jobs: Jobs) -> Bench:
    """All that it takes is there."""
    bench.up(container_image="ours:1")
    return bench


def engine(bench: Bench) -> BatchEngine:
    """One that only looks."""
    cloud = bench.cloud()
    return BatchEngine(EngineConfig(settings.load({}), clouds=lambda _r, _p: cloud))


def rows(bench: Bench) -> list[str]:
    return sorted(entry.key for entry in bench.store().list("rows"))


def living(bench: Bench) -> int:
    return len(bench.connect()(None, None).jobs(NAME).living())


def stopped_once(holds: Callable[[], object]) -> Stop:
    """Asked to stop some looks after that holds."""
    stop = Stop()

    def watch() -> None:
        until(holds)
        time.sleep(0.5)
        stop.ask()

    threading.Thread(target=watch, daemon=True).start()
    return stop


def test_each_shard_is_a_child_and_has_rows_once_it_is_told_of(up: Bench, jobs: Jobs) -> None:
    done = up.run(*range(5))
    assert sorted(each.shard for each in done) == list(range(5))
    assert all(each.error is None and each.images == 10 and each.took_s > 0 for each in done)
    assert rows(up) == [f"rows/{toy.name(n)}.jsonl.zst" for n in range(5)]
    assert sorted(jobs.attempts) == list(range(5))


def test_one_shard_alone_is_a_job_by_itself(up: Bench, jobs: Jobs) -> None:
    [done] = up.run(7)
    assert (done.shard, done.error) == (7, None)
    wanted = [{"name": "JOB_NAME", "values": [called(NAME)]}]
    listed = up.account.client("batch").list_jobs(jobQueue=called(NAME), filters=wanted)
    [job] = listed["jobSummaryList"]
    assert "arrayProperties" not in job


def test_shards_are_sent_as_they_come_in_jobs_of_growing_size(up: Bench, jobs: Jobs) -> None:
    done = up.run(*range(9), most=1)
    assert sorted(each.shard for each in done) == list(range(9))
    store = up.store()
    sent = [json.loads(store.get(each.key, 10**6) or b"") for each in store.list("todo")]
    assert sorted(sent) == [[0, 1], [2, 3, 4, 5], [6, 7, 8]]


def test_no_shards_are_no_jobs(up: Bench, jobs: Jobs) -> None:
    assert up.run() == []
    assert not jobs.attempts


def test_children_that_are_killed_or_lose_their_machine_are_tried_again(
    up: Bench, jobs: Jobs
) -> None:
    up.store().put("dies/1", b"")
    jobs.lost = {3}
    done = up.run(*range(4))
    assert [each.error for each in done] == [None] * 4
    assert sorted(jobs.attempts) in ([0, 1, 1, 2, 3], [0, 1, 1, 2, 3, 3])


def test_a_child_that_ends_with_an_error_of_ours_is_not_and_the_others_are_done(
    up: Bench, jobs: Jobs
) -> None:
    up.store().put("fails/2", b"")
    done = {each.shard: each for each in up.run(*range(4))}
    assert {n for n, each in done.items() if each.error} == {2}
    assert not done[2].wrote
    assert jobs.attempts.count(2) == 1
    assert any("shard 2 fails" in line for line in engine(up).logs(NAME))
    up.store().delete("fails/2")
    assert [each.error for each in up.run(2)] == [None]


def test_what_failed_before_is_no_failure_of_who_does_it_again(up: Bench, jobs: Jobs) -> None:
    store = up.store()
    store.put("fails/1", b"")
    store.put("waits/0", b"")

    def has_failed() -> bool:
        [job] = up.connect()(None, None).jobs(NAME).living()
        return bool(job.counts.get("FAILED"))

    [failed] = up.run(0, 1, stop=stopped_once(lambda: 1 in jobs.attempts and has_failed()))
    assert (failed.shard, failed.error is None) == (1, False)
    store.delete("fails/1")
    assert [each.error for each in up.run(1)] == [None]
    assert rows(up) == [f"rows/{toy.name(1)}.jsonl.zst"], "shard 0 still waits"
    store.delete("waits/0")
    assert [each.error for each in up.run(0)] == [None]


def test_who_stops_leaves_jobs_that_go_on_and_the_same_again_sends_none_twice(
    up: Bench, jobs: Jobs
) -> None:
    jobs.holds = True
    assert up.run(*range(3), stop=stopped_once(lambda: living(up) == 1)) == []
    assert living(up) == 1
    [line, *_] = engine(up).status(NAME)
    assert line.endswith(": 3 runnable")
    jobs.holds = False
    done = up.run(*range(4))
    assert sorted(each.shard for each in done) == list(range(4))
    assert sorted(jobs.attempts) == [0, 0, 1, 2], "shard 3 was sent by itself"


def test_a_job_that_is_cancelled_ends_with_its_children(up: Bench, jobs: Jobs) -> None:
    jobs.holds = True
    up.run(*range(3), stop=stopped_once(lambda: living(up) == 1))
    assert engine(up).cancel(NAME) == 1
    until(lambda: not living(up))
    assert engine(up).cancel(NAME) == 0


def test_a_batch_is_looked_at_and_ended_in_the_account_that_it_was_begun_in(up: Bench) -> None:
    asked, cloud = [], up.cloud()

    def clouds(region: str | None, profile: str | None) -> Cloud:
        asked.append((region, profile))
        return cloud

    made = context(settings.load({}), clouds=clouds)
    status.remember(made, KnownBatch(NAME, OUT, "aws-batch", region="us-east-1", profile="work"))
    status.cancel(NAME, made)
    assert asked == [("us-east-1", "work")]


def test_a_queue_that_is_disabled_takes_nothing_and_the_command_to_enable_it_is_said(
    up: Bench,
) -> None:
    up.account.client("batch").update_job_queue(jobQueue=called(NAME), state="DISABLED")
    with pytest.raises(PlaceUnavailable, match="is disabled and takes no jobs") as no:
        up.run(1)
    assert f"update-job-queue --state ENABLED --job-queue {called(NAME)}" in no.value.hint


def test_without_a_queue_the_command_that_makes_one_is_said(bench: Bench, jobs: Jobs) -> None:
    with pytest.raises(PlaceUnavailable, match="There is no job queue offload-batch-herd"):
        bench.run(1)


def test_why_nothing_starts_is_said_once_and_the_jobs_stay(up: Bench, jobs: Jobs) -> None:
    jobs.holds = True
    jobs.reason = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - Service cannot fulfill"

    def told() -> list[str]:
        return [each.text for each in up.told if isinstance(each, Warned)]

    assert up.run(*range(2), stop=stopped_once(told), boot_s=0) == []
    assert len(told()) == 1
    assert told()[0].startswith("No job starts: AWS has no such machines available there now")
    jobs.holds, jobs.reason = False, ""
    assert len(up.run(*range(2))) == 2


def test_what_does_not_pass_by_itself_ends_the_wait(up: Bench, jobs: Jobs) -> None:
    jobs.holds = True
    jobs.reason = "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - The job resource requirement"
    with pytest.raises(PlaceUnavailable, match="more memory or vCPUs than a machine has left"):
        up.run(1, 2, boot_s=0)
    jobs.holds = False
