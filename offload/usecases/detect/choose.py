"""The place for a job, chosen by advice."""

from dataclasses import replace
from typing import Any

from offload.costmodel.advice import Advice
from offload.costmodel.split import SplitCandidate
from offload.domain.errors import UsageError
from offload.domain.measurements import Condition
from offload.domain.places import REMOTE, SPLIT
from offload.places import known as known_places
from offload.providers.ec2 import registry
from offload.usecases.advise.advise import answer
from offload.usecases.advise.question import Question
from offload.usecases.context import Context
from offload.usecases.detect import places, privacy
from offload.usecases.detect.places import local_slots
from offload.usecases.detect.request import Request, moved
from offload.usecases.history import query


def decided(request: Request, context: Context) -> tuple[Request, Advice]:
    """The request with the place that is best for it now, and why.

    No place is asked for anything. A server may be chosen only where its address is given or set,
    or where a machine was rented.

    Raises:
        UsageError: the images cannot be looked at twice.
        OffloadError: there is no model.
    """
    if "-" in request.sources:
        raise UsageError(
            "--where auto reads the list twice, and standard input can be read only once.",
            hint="Use a file instead: offload detect list.txt --where auto",
        )
    configured = context.settings
    url = request.url or (registry.label(configured, request.machine) or configured.url)
    model = places.config(request, context).resolve(request.model or configured.model)
    question = Question(
        sources=request.sources,
        recursive=request.recursive,
        state="warm" if url else None,
        offline=True,
        places=_allowed(request, url),
        slots=local_slots(request, configured),
        deadline_s=request.deadline_s,
        max_cost_usd=request.max_cost_usd,
    )
    known = query.of_model(model.identity, url, context)
    fitting = [m for m in known.measurements if _fits(m.condition, request)]
    best = answer(question, context, replace(known, measurements=fitting))
    chosen = best.choice.chosen.lane
    changed: dict[str, Any] = {
        "model": request.model or configured.model or model.identity.name,
        "upload_max_side": request.upload_max_side or chosen.upload_max_side_px,
    }
    if changed["upload_max_side"] is None:
        changed["upload_quality"] = request.as_is.upload_quality
    where = chosen.place
    if isinstance(chosen, SplitCandidate):
        changed["others"] = (chosen.remote.place,)
    elif known_places()[where].leaves_machine and (
        (request.deadline_s, request.max_cost_usd) != (None, None)
        or privacy.patterns(request, configured)
    ):  # what would be sent away may have to be done here
        where, changed["others"] = SPLIT, (where,)
    return moved(request, where, **changed), best


def _allowed(request: Request, url: str | None) -> tuple[str, ...]:
    """What may be chosen: places that images need not leave for, and others that were named."""
    here = [name for name, traits in known_places().items() if not traits.leaves_machine]
    named = [*request.others, *([REMOTE] if url else [])]
    away = [name for name in named if known_places()[name].leaves_machine]
    return tuple(dict.fromkeys([*here, *away, *([SPLIT] if away else [])]))


def _fits(condition: Condition, request: Request) -> bool:
    """Whether it was measured with what the request would send."""
    side_px, asked_px = condition.upload_max_side_px, request.upload_max_side
    if known_places()[condition.place].in_process or (side_px is None and asked_px is None):
        return True
    return asked_px in {None, side_px} and condition.upload_quality == request.upload_quality
