"""`offload detect`."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer
from typer import Argument

from offload.cli import consent
from offload.cli.parsing import complete, options
from offload.cli.parsing.configured import is_set
from offload.cli.process import BEGAN_S, INTERRUPTED, SOME_FAILED, stopping_on_interrupt

if TYPE_CHECKING:
    from offload.drivers.settings import Settings
    from offload.render.messages import Messages
    from offload.usecases.detect.request import Request


def detect(
    ctx: typer.Context,
    sources: Annotated[list[str], Argument(metavar="SOURCE")],
    where: options.Where = "local",
    others: Annotated[
        list[str] | None,
        options.place(
            "--with", takes="PLACE", autocompletion=complete.several(complete.places.names)
        ),
    ] = None,
    recursive: options.Recursive = False,
    model: options.Model = None,
    labels: options.Labels = None,
    min_score: Annotated[
        float | None, options.detection("--min-score", takes="0..1", min=0, max=1)
    ] = None,
    classes: Annotated[list[str] | None, options.detection("--class", takes="NAME")] = None,
    out: Annotated[str | None, options.result("--out -o", takes="DIR|URL")] = None,
    formats: Annotated[
        str,
        options.result(
            "--format",
            takes="[jsonl|coco|…],…",
            autocompletion=complete.several(complete.formats),
        ),
    ] = "jsonl",
    annotate: Annotated[bool, options.result("--annotate")] = False,
    overwrite: Annotated[bool, options.result("--overwrite")] = False,
    as_json: Annotated[bool, options.result("--json")] = False,
    url: options.Url = None,
    token: options.Token = None,
    machine: options.MachineName = None,
    provision: Annotated[bool, options.server("--provision")] = False,
    deadline_s: Annotated[float | None, options.duration("--deadline", kind=options.limit)] = None,
    max_cost_usd: Annotated[float | None, options.dollars("--max-cost", kind=options.limit)] = None,
    max_failures: Annotated[str | None, options.limit("--max-failures", takes="N|P%")] = None,
    keep_local: Annotated[list[str] | None, options.limit("--keep-local", takes="PATTERN")] = None,
    dry_run: Annotated[bool, options.limit("--dry-run")] = False,
    container_image: options.ContainerImage = None,
    cpus: options.Cpus = None,
    memory: options.Memory = None,
    replicas: options.Replicas = None,
    keep: Annotated[bool, options.container("--keep")] = False,
    keep_as: options.KeepAs = None,
    concurrency: options.Concurrency = None,
    timeout_s: options.TimeoutS = 60.0,
    fallback: Annotated[Literal["local"] | None, options.sending("--fallback")] = None,
    upload_max_side: Annotated[
        int | None, options.sending("--upload-max-side", takes="PX", min=16)
    ] = None,
    upload_quality: options.UploadQuality = 90,
    strip_metadata: options.StripMetadata = False,
    workers: options.Workers = None,
    threads: options.Threads = None,
    max_detections: Annotated[int, options.rare("--max-detections", takes="N", min=1)] = 300,
    max_iou: Annotated[float, options.rare("--iou", takes="0..1", min=0, max=1)] = 0.7,
    max_pixels: options.MaxPixels = options.MAX_PIXELS,
    max_retries: Annotated[int, options.rare("--max-retries", takes="N", min=0)] = 5,
    offline: options.Offline = False,
    yes: consent.Yes = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Find the objects in images.

        offload detect photos/ -r --out results/ --annotate
        offload detect photos/ --where remote --url http://HOST:8080

    Standard output carries the results, standard error the progress. Exit codes: 0 done, 1 an
    explained failure, 2 usage, 3 some images failed and the rest are done, 4 the place is not
    available, 130 interrupted.

    Parameters:
        sources: Image, folder, glob pattern, .txt file with one path per line (relative to the
            current folder), or - for such a list on standard input.
        others: split: the second place (default: remote). auto: more places to choose from, besides
            those on this machine. Repeatable.
        min_score: Drop detections below this score. [default: the model's, 0.25 or 0.5]
        classes: Keep only this class, by name or id; repeatable.
        out: Folder, or URL of a store, for results; one that holds part of the same job is
            continued.
        formats: File formats in --out: jsonl, coco, coco-results, megadetector, csv, json, parquet.
        annotate: Write copies with boxes drawn to DIR/annotated, and DIR/gallery.html.
        overwrite: Discard the results already in --out.
        as_json: One JSON object per image on standard output.
        provision: remote: first rent a machine, or start the one you have. split: work here
            meanwhile, rent only if it pays, and restore its state at the end.
        deadline_s: Time in which to finish, such as 5m. Not for remote.
        max_cost_usd: fleet, split, auto: maximum cost of the run.
        max_failures: Stop when more images than this have failed.
        keep_local: split, remote: images that never leave this machine, such as 'faces/**';
            repeatable, adds to the setting. [env: OFFLOAD_KEEP_LOCAL]
        dry_run: Only list the images that could leave this machine.
        keep: Keep containers running after the run, those of split too. To remove them: offload
            down.
        fallback: Detect here the images that get no answer there.
        upload_max_side: Send smaller copies of larger pictures.
        max_detections: Keep at most this many detections per image, the best.
        max_iou: Drop a box whose overlap (IoU) with a better one of its class is larger.
        max_retries: remote, container: retries per image.
    """
    from offload import bootstrap
    from offload.domain.errors import UsageError
    from offload.domain.places import AUTO
    from offload.render import messages
    from offload.usecases.detect.request import Request

    named = {"others": options.names(*others or ()), "formats": options.names(formats)}
    request = Request(**options.for_places(ctx, Request, [where]) | named)
    is_odd = request.formats != ("jsonl",) and not is_set(ctx, "formats")
    if out is None and (annotate or overwrite or is_odd):
        wrong = "--annotate, --format and --overwrite need --out DIR."
        raise UsageError(wrong, hint="For instance: --out results/")
    say = messages.chosen(quiet=quiet, verbose=verbose)
    context = bootstrap.context(say.hear, offline=offline)
    if where == AUTO:
        from offload.render.advice.advice import one_line
        from offload.usecases.detect import choose

        request, advice = choose.decided(request, context)
        context.reporter.note(one_line(advice))
    if dry_run:
        from offload.render import detections
        from offload.usecases.detect import privacy

        found, paths, total_bytes = privacy.leaving(request, context)
        detections.leaving(found, paths, total_bytes, context.reporter, as_json=as_json)
        return
    consent.to_rented(request.members, yes=yes)
    _carry_out(request, say, context.settings, as_json=as_json, provision=provision)


def _carry_out(
    request: "Request", say: "Messages", configured: "Settings", *, as_json: bool, provision: bool
) -> None:
    from contextlib import ExitStack

    from offload import bootstrap
    from offload.cli.provisioning.renting import asked_for, renting
    from offload.domain.events import Downloaded, Event
    from offload.render import detections, progress
    from offload.usecases.detect import record
    from offload.usecases.detect.run import detection, stopped_early

    bring_up, rental = asked_for(request, say, configured, provision=provision)
    heard: set[type[Event]] = set()
    with (
        detections.sink(
            as_json=as_json,
            to_folder=request.out is not None,
            all_rows=say.verbose,
            least_score=request.shown_score,
        ) as add,
        ExitStack() as stack,
    ):
        bar = stack.enter_context(progress.transfer(Downloaded, say.quiet))
        steps = stack.enter_context(progress.building(say.quiet))
        listeners = say.hear, bar, steps, lambda event: heard.add(type(event))
        context = bootstrap.context(*listeners, offline=request.offline, configured=configured)
        interrupted = stack.enter_context(renting(rental, context))
        shared = bootstrap.shared(request, context, BEGAN_S, rental)
        begun = shared.begun if shared else None
        run = stack.enter_context(detection(request, context, BEGAN_S, begun))
        stack.enter_context(stopping_on_interrupt(context, came=interrupted))
        with (
            progress.places(run.total or 0, shared.monitor, say.quiet)
            if shared
            else progress.images(lambda: run.total, say.quiet)
        ) as advance:
            for row in run:
                add(row)
                say.row(row)
                advance(row)
    usual = Downloaded not in heard  # what a download took is no part of any other start-up
    outcome = record.remember(run, request, context, is_usual_start=usual, bring_up=bring_up)
    if shared:
        outcome = outcome or shared.remember(run)
    said = detections.summary(run, shared.monitor.view() if shared else None)
    if interrupted and not run.complete:
        said.append(detections.left_off(run, request))
    if say.verbose:
        said += detections.details(run, request.out, outcome)
    say.lines(said)
    if interrupted:
        raise typer.Exit(INTERRUPTED)
    if not run.complete:
        raise stopped_early(run, request)
    if run.failed:
        raise typer.Exit(SOME_FAILED)
