"""What a batch tells of an engine's workers, for the advice on the next one."""

from collections.abc import Iterator

from offload import engines
from offload.domain.measurements import Condition, Measurement, Start, Total
from offload.drivers.host import machine
from offload.engines.ports import Outcome
from offload.usecases.batch import plan
from offload.usecases.batch.run import BatchRun
from offload.usecases.context import Context

_MOST = 500
"""Shards that are kept of a batch: enough for their spread."""


def remembered(run: BatchRun, engine: str, context: Context) -> Iterator[Outcome]:
    """What becomes of the shards; at the end what that measured is in the history, unless it is not
    kept, or workers are this machine.
    """
    began_s, startup_s, done = context.clock(), 0.0, list[Outcome]()
    try:
        for outcome in run:
            if _tells(outcome):
                if not done:
                    startup_s = max(0.0, context.clock() - began_s - outcome.took_s)
                done.append(outcome)
            yield outcome
    finally:
        if done and context.settings.history and engines.traits(engine).leaves_machine:
            with context.history() as store:
                store.add(measurement(run, engine, startup_s, done))


def _tells(outcome: Outcome) -> bool:
    """Whether its seconds are those of a worker that did the shard, and no failure."""
    return not (outcome.error or outcome.failed) and outcome.took_s > 0


def measurement(run: BatchRun, engine: str, startup_s: float, done: list[Outcome]) -> Measurement:
    """Shards as jobs of one worker each, the first of which came after `startup_s`."""
    spec = plan.plan_of(run.out).spec
    here = machine.describe()
    return Measurement(
        taken_at=machine.now(),
        source="batch",
        condition=Condition(spec.model.identity, engine, here, {}, max(1, spec.cores or 1)),
        in_flight=max(1, run.session.workers),
        starts=(Start(0, startup_s, 0.0),),
        totals=tuple(
            Total(each.images, None, 0.0, each.took_s) for each in done[-_MOST:] if each.images
        ),
        facts={"hosts": len({each.host for each in done})},
    )
