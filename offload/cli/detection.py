"""A detection as `offload detect` carries it out: chosen, rented for, run, shown, remembered."""

from typing import TYPE_CHECKING

import typer

from offload.cli import consent
from offload.cli.process import BEGAN_S, INTERRUPTED, SOME_FAILED

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from offload.domain.results import Row
    from offload.render.messages import Messages
    from offload.usecases.context import Context
    from offload.usecases.detect.request import Request
    from offload.usecases.detect.run import DetectRun


def carry_out(
    request: "Request",
    say: "Messages",
    *,
    as_json: bool,
    provision: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """Do what is requested, or list what would leave.

    Raises:
        OffloadError: it cannot be done.
    """
    from contextlib import ExitStack

    from offload import bootstrap
    from offload.cli.process import stopping_on_interrupt
    from offload.cli.provisioning.hire import asked_for, renting
    from offload.domain.events import Downloaded, Event
    from offload.domain.places import AUTO
    from offload.render import detections, messages, progress
    from offload.usecases.detect import record
    from offload.usecases.detect.run import detection

    context = bootstrap.context(say.hear, offline=request.offline)
    if request.where == AUTO:
        request = _decided(request, context)
    if dry_run:
        _list_what_leaves(request, context, as_json=as_json)
        return
    consent.to_rented(request.members, yes=yes)
    bring_up, rental = asked_for(request, say, provision=provision)
    fetched: list[Event] = []  # what a download took is no part of any other start-up

    def hear(event: Event) -> None:
        if isinstance(event, Downloaded):
            fetched[:] = [event]

    with ExitStack() as stack:
        bar = stack.enter_context(progress.transfer(Downloaded, say.quiet))
        context = bootstrap.context(say.hear, bar, hear, offline=request.offline)
        interrupted = stack.enter_context(renting(rental, context))
        run = stack.enter_context(detection(request, context, BEGAN_S, rental))
        stack.enter_context(stopping_on_interrupt(context, came=interrupted))
        sink = detections.sink(as_json=as_json, to_folder=request.out is not None)
        with _shown(run, say.quiet) as advance:
            for row in run:
                sink.add(row)
                say.row(row)
                advance(row)
    sink.close()
    summary = run.summary()
    outcome = record.remember(run, request, context, is_usual_start=not fetched, bring_up=bring_up)
    split, duplicate_uploads = None, 0
    if run.shared:
        from offload.usecases.split import recording

        split, duplicate_uploads = run.shared.monitor.view(), len(run.shared.work.duplicate_uploads)
        outcome = outcome or recording.remember(
            run, split, request, context, rented=rental is not None
        )
    say.summary(summary, request.out, outcome, split, duplicate_uploads)
    if interrupted:
        raise typer.Exit(INTERRUPTED)
    if not run.complete:
        messages.stopped_early(summary, request.max_failures)
    if summary.failed:
        raise typer.Exit(SOME_FAILED)


def _decided(request: "Request", context: "Context") -> "Request":
    """The request with the place that is best for it now, which is said."""
    from offload.render.advice.advice import one_line
    from offload.usecases.detect import choose

    decided, advice = choose.decided(request, context)
    context.reporter.note(one_line(advice))
    return decided


def _list_what_leaves(request: "Request", context: "Context", *, as_json: bool) -> None:
    from offload.render import detections
    from offload.usecases.detect import privacy

    found, paths, total_bytes = privacy.leaving(request, context.settings)
    privacy.tell_of_idle(request, found, context.reporter)
    detections.leaving(found, paths, total_bytes, context.reporter, as_json=as_json)


def _shown(run: "DetectRun", quiet: bool) -> "AbstractContextManager[Callable[[Row], None]]":
    from offload.render import progress

    if run.shared:
        return progress.places(run.total, run.shared.monitor, quiet)
    return progress.images(run.total, quiet)
