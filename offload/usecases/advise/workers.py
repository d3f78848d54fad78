"""The engines whose workers an advice is about."""

from collections.abc import Iterator

from offload import engines
from offload.costmodel.advice import Advice
from offload.costmodel.batch import MOST_WORKERS, STARTED_S
from offload.costmodel.candidates.engines import EngineWorkers
from offload.costmodel.dollars import Billing
from offload.costmodel.terms import SHORTEST_S, Candidate
from offload.domain.errors import UsageError
from offload.domain.places import PlaceTraits
from offload.engines.ports import EngineTraits
from offload.usecases.advise.question import Question


def workers(question: Question, billing: Billing) -> list[EngineWorkers]:
    """The engine that is named; of images in a store, each that has workers elsewhere.

    Raises:
        UsageError: there is no such engine, or its workers are this machine.
    """
    if question.engine is not None:
        traits = engines.traits(question.engine)
        if not traits.leaves_machine:
            raise UsageError(
                f"Workers of {traits.name} share this machine, which is a place of its own.",
                hint="Leave --engine out.",
            )
        return [_workers(traits, question, billing)]
    if not (question.stored or question.workers):
        return []
    return [_workers(each, question, billing) for each in _elsewhere()]


def _elsewhere() -> Iterator[EngineTraits]:
    every = map(engines.traits, engines.names())
    return (traits for traits in every if traits.leaves_machine)


def _workers(traits: EngineTraits, question: Question, billing: Billing) -> EngineWorkers:
    usd_per_h = billing.all_usd_per_h if traits.bills else 0.0
    return EngineWorkers(
        PlaceTraits(
            name=traits.name,
            title=traits.summary,
            phrase=f"by {traits.name}",
            leaves_machine=traits.leaves_machine,
            uses_link=False,
            rented=traits.bills,
            on_demand=True,
            has_prior=False,
        ),
        most=question.workers or MOST_WORKERS,
        usd_per_h=usd_per_h,
        # What goes on without us is jobs of their own, of which each loads the model.
        shortest_s=STARTED_S if traits.survives else SHORTEST_S,
    )


def worth(found: Advice) -> int:
    """How many workers the job is worth: the most that the advice looked at, within its limits.

    Raises:
        ValueError: it is about no engine.
    """
    lanes = (option.lane for option in found.options)
    return max(x.shards.workers for x in lanes if isinstance(x, Candidate) and x.shards)


def option(engine: str) -> str:
    """What says to `offload batch` how many workers there are."""
    return "--workers" if "workers" in engines.traits(engine).options else "--max"
