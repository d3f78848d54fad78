"""A detection as `offload detect` carries it out: chosen, rented for, run, shown, remembered."""

from typing import TYPE_CHECKING

import typer

from offload.cli import BEGAN_S, INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from offload.domain.results import Row
    from offload.drivers.settings import Settings
    from offload.render.messages import Messages
    from offload.wiring.detection import Run
    from offload.wiring.request import Request

SOME_FAILED = 3


def carry_out(
    request: "Request",
    say: "Messages",
    *,
    as_json: bool,
    provision: bool,
    dry_run: bool,
) -> None:
    """Do what is requested, or list what would leave.

    Raises:
        OffloadError: it cannot be done.
    """
    from offload.app.pipeline import Stop
    from offload.cli.interrupt import stopping_on_interrupt
    from offload.cli.renting import asked_for, renting
    from offload.render import detections, messages, progress
    from offload.wiring import configuration, recording
    from offload.wiring.detection import detection
    from offload.wiring.request import AUTO

    configured = configuration.load()
    if request.where == AUTO:
        request = _decided(request, configured, say)
    if dry_run:
        _list_what_leaves(request, configured, say, as_json=as_json)
        return
    bring_up, rental = asked_for(request, say, provision=provision)
    stop = Stop()
    fetched: list[int] = []  # what a download took is no part of any other start-up

    def on_bytes(have: int, total: int | None) -> None:
        fetched[:] = [have]
        show_bytes(have, total)

    with (
        renting(rental, stop, say.warn) as interrupted,
        progress.download(say.quiet) as show_bytes,
        detection(
            request,
            configuration.hub(
                configured,
                on_bytes,
                say.warn,
                offline=request.offline,
            ),
            configured,
            stop,
            BEGAN_S,
            say.follow,
            say.note,
            rental,
        ) as run,
        stopping_on_interrupt(stop, say.warn, came=interrupted),
    ):
        sink = detections.sink(as_json=as_json, to_folder=request.out is not None)
        with _shown(run, say.quiet) as advance:
            for row in run:
                sink.add(row)
                say.row(row)
                advance(row)
    sink.close()
    summary = run.summary()
    outcome = recording.remember(
        run, request, configured, say.warn, is_usual_start=not fetched, bring_up=bring_up
    )
    split, strays = None, 0
    if run.shared:
        from offload.wiring import recording_splits

        split, strays = run.shared.overseer.view(), len(run.shared.work.strays)
        outcome = outcome or recording_splits.remember(
            run, split, request, configured, say.warn, rented=rental is not None
        )
    say.summary(summary, request.out, outcome, split, strays)
    if interrupted:
        raise typer.Exit(INTERRUPTED)
    if not run.complete:
        messages.stopped_early(summary, request.max_failures)
    if summary.failed:
        raise typer.Exit(SOME_FAILED)


def _decided(request: "Request", configured: "Settings", say: "Messages") -> "Request":
    """The request with the place that is best for it now, which is said."""
    from offload.render.advice import one_line
    from offload.wiring import choosing, configuration

    hub = configuration.hub(configured, warn=say.warn, offline=request.offline)
    decided, advice = choosing.decided(request, hub, configured, say.warn)
    say.note(one_line(advice))
    return decided


def _list_what_leaves(
    request: "Request", configured: "Settings", say: "Messages", *, as_json: bool
) -> None:
    from offload.render import leaving
    from offload.wiring import staying

    found, paths, total_bytes = staying.leaving(request, configured)
    staying.tell_of_idle(request, found, say.warn)
    leaving.show(found, paths, total_bytes, say, as_json=as_json)


def _shown(run: "Run", quiet: bool) -> "AbstractContextManager[Callable[[Row], None]]":
    from offload.render import progress, sides

    if run.shared:
        return sides.images(run.total, run.shared.overseer, quiet)
    return progress.images(run.total, quiet)
