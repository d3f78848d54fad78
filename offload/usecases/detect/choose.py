"""The place for a job, chosen by advice."""

from dataclasses import replace
from typing import Any

from offload.costmodel.advice import Advice
from offload.domain.errors import UsageError
from offload.domain.measurements import Condition
from offload.domain.places import SPLIT
from offload.providers.ec2 import registry
from offload.usecases.advise.advise import answer
from offload.usecases.advise.question import Question
from offload.usecases.context import Context
from offload.usecases.detect import places, privacy
from offload.usecases.detect.conditions import local_slots
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
            "--where auto looks at the images before it reads them, and standard input names them "
            "only once.",
            hint="Name the list's file instead: offload detect list.txt --where auto",
        )
    configured = context.settings
    url = request.url or (registry.label(configured, request.machine) or configured.url)
    model = places.kit(request, context).resolve(request.model or configured.model)
    question = Question(
        sources=request.sources,
        recursive=request.recursive,
        state="warm" if url else None,
        offline=True,
        places=("local", "container", "remote", SPLIT) if url else ("local", "container"),
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
        changed["upload_quality"] = Request(()).upload_quality
    where = chosen.place
    if where == "remote" and _needs_both(request, context):
        where = SPLIT
    return moved(request, where, **changed), best


def _needs_both(request: Request, context: Context) -> bool:
    """Whether what would be sent away may have to be done here: because it is to stay, or to keep
    a limit.
    """
    limits = request.deadline_s, request.max_cost_usd
    return limits != (None, None) or bool(privacy.patterns(request, context.settings))


def _fits(condition: Condition, request: Request) -> bool:
    """Whether it was measured with what the request would send."""
    side_px, asked_px = condition.upload_max_side_px, request.upload_max_side
    if condition.place == "local" or (side_px is None and asked_px is None):
        return True
    return asked_px in {None, side_px} and condition.upload_quality == request.upload_quality
