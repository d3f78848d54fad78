"""Split runs are samples too: of either place beside the other, and of the prediction of both."""

from dataclasses import replace

from offload.costmodel import accuracy, split_option
from offload.costmodel.candidates.build import Overrides, lanes
from offload.costmodel.decide import Goal, options
from offload.costmodel.dollars import Billing
from offload.domain.measurements import Outcome
from offload.domain.places import SPLIT
from offload.drivers.host import machine
from offload.drivers.store.store import Store
from offload.places import known as known_places
from offload.usecases.context import Context
from offload.usecases.detect.places import condition
from offload.usecases.detect.record import is_plain, kept_in_store, measured, outcome_of
from offload.usecases.detect.request import Request, alone
from offload.usecases.detect.run import DetectRun
from offload.usecases.split.forecast import View
from offload.usecases.split.splitting import SplitRun


def remember(
    run: DetectRun, split: SplitRun, ended: View, request: Request, context: Context
) -> Outcome | None:
    """Add a run at both places to the history, unless the settings say not to. What a machine that
    was rented for it took is not what is predicted of one that is up; nor is anything known of a
    place that was away for a while.
    """
    member, rented = split.other, split.rental is not None
    if member is None or not context.settings.history:
        return None
    telling = {place.name for place in ended.places if place.is_open and place.is_known}
    if member.times_lost or len(telling) < len(request.members) or not is_plain(run, request):
        return None
    taken_at, via = machine.now(), member.via
    here, there = request.members
    under = [
        replace(
            condition(run.sessions[place], alone(request, place), context.settings, its_via),
            beside=other,
        )
        for place, other, its_via in ((here, there, None), (there, here, via))
    ]
    samples = [measured(run, each, taken_at) for each in under]

    def compared(store: Store) -> Outcome | None:
        """Beside what advice would have said of both, where both were measured."""
        if not run.complete or rented or "-" in request.sources:
            return None
        model, away = under[0].model, under[1]
        known = [m for _, m in store.measurements(model=model.sha256)]
        past = [o for o in store.outcomes() if o.model == model.name]
        goal, billing = Goal(run.images, float(run.bytes)), via.billing if via else Billing()
        overrides = Overrides(slots=under[0].slots, network=away.network, kind=away.machine)
        candidates = lanes(known, past, overrides, known_places())
        together = split_option.split(candidates, known, goal, [there])
        if together is None or together.key != " ".join(
            replace(each, beside=None).key for each in under
        ):
            return None
        alone_each, errors = options(candidates, goal, billing), accuracy.residuals(past, SPLIT)
        predicted = split_option.joint(together, alone_each, goal, billing, errors)
        return outcome_of(run, predicted, SPLIT, sum(ended.usd.values()), taken_at)

    return kept_in_store(samples, compared, context)
