"""`offload detect`."""

from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from offload.cli import consent, options
from offload.cli.process import BEGAN_S, INTERRUPTED, SOME_FAILED, stopping_on_interrupt

if TYPE_CHECKING:
    from offload.drivers.settings import Settings
    from offload.render.messages import Messages
    from offload.usecases.detect.request import Request


def detect(
    ctx: typer.Context,
    sources: Annotated[
        list[str],
        Argument(
            metavar="SOURCE",
            help="Image, folder, glob pattern, .txt file with a path a line as meant from the "
            "current folder, or - for such a list on standard input.",
        ),
    ],
    recursive: options.Recursive = False,
    where: Annotated[
        str,
        Option(
            help="The place to run at: local, in this process; container, on this machine; remote, "
            "a machine that runs offload serve; lambda, a function on AWS Lambda; split, local and "
            "another together, with the options of both; auto, what "
            "offload advise would choose (remote only if a server is named or a machine rented)."
        ),
    ] = "local",
    others: Annotated[
        list[str] | None,
        Option(
            "--with",
            metavar="PLACE",
            help="split: the other place, remote if none is named; auto: places that may be "
            "chosen besides those on this machine; repeatable.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        Option(
            "--model",
            "-m",
            help="Short name (offload models list), .tflite file, SavedModel folder, hub handle or "
            "URL. Without it: the settings' model, else efficientdet-lite0 if it is cached or the "
            "hub answers within 3 s, else builtin.",
        ),
    ] = None,
    labels: options.Labels = None,
    min_score: Annotated[
        float | None,
        Option(
            min=0,
            max=1,
            help="Drop detections below this score. [default: the model's, 0.25 or 0.5]",
        ),
    ] = None,
    classes: Annotated[
        list[str] | None, Option("--class", help="Keep only this class, by name or id; repeatable.")
    ] = None,
    max_detections: Annotated[
        int, Option(min=1, help="Keep at most this many per image, the best.")
    ] = 300,
    max_iou: Annotated[
        float,
        Option(
            "--iou", min=0, max=1, help="Drop a box that overlaps a better one of its class more."
        ),
    ] = 0.7,
    out: options.Out = None,
    formats: Annotated[
        str, Option("--format", help="What --out writes, of jsonl,coco,csv,json.")
    ] = "jsonl",
    annotate: Annotated[
        bool, Option("--annotate", help="Write pictures with boxes to DIR/annotated.")
    ] = False,
    overwrite: Annotated[
        bool, Option("--overwrite", help="Discard the results that --out holds.")
    ] = False,
    as_json: Annotated[
        bool, Option("--json", help="One JSON object per image on standard output.")
    ] = False,
    max_failures: Annotated[
        str | None, Option(metavar="N|P%", help="Stop when more images than this have failed.")
    ] = None,
    max_pixels: options.MaxPixels = options.MAX_PIXELS,
    workers: options.Workers = None,
    threads: options.Threads = None,
    url: options.Url = None,
    token: options.Token = None,
    machine: options.MachineName = None,
    provision: Annotated[
        bool,
        Option(
            "--provision",
            help="remote: rent a machine first if there is none, or bring up the one there is; "
            "split: meanwhile work here, if it pays, and leave it as it was in the end.",
        ),
    ] = False,
    deadline_s: Annotated[
        float | None,
        options.duration(
            "--deadline", "auto, local, container, split: when all should be done, such as 5m."
        ),
    ] = None,
    max_cost_usd: Annotated[
        float | None,
        options.dollars("--max-cost", "split, auto: stop spending before the run has cost more."),
    ] = None,
    keep_local: Annotated[
        list[str] | None,
        Option(
            metavar="PATTERN",
            help="split, remote: images that never leave, such as 'faces/**'; repeatable, besides "
            "those of the setting keep_local.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, Option("--dry-run", help="List what could leave this machine, and do nothing.")
    ] = False,
    concurrency: options.Concurrency = None,
    timeout_s: options.TimeoutS = 60.0,
    max_retries: Annotated[
        int, Option(min=0, help="remote, container, lambda: attempts after the first.")
    ] = 5,
    fallback: Annotated[
        str | None,
        Option(help="remote, container, lambda: local detects here what gets no answer there."),
    ] = None,
    upload_max_side: Annotated[
        int | None,
        Option(
            min=16,
            metavar="PX",
            help="remote, container, lambda: send smaller copies of larger pictures.",
        ),
    ] = None,
    upload_quality: options.UploadQuality = 90,
    strip_metadata: options.StripMetadata = False,
    image: options.ContainerImage = None,
    cpus: options.Cpus = None,
    memory: options.Memory = None,
    replicas: options.Replicas = None,
    keep: Annotated[
        bool,
        Option(
            "--keep", help="container, split: leave up what was brought up; offload down ends it."
        ),
    ] = False,
    keep_as: options.KeepAs = None,
    offline: options.Offline = False,
    yes: consent.Yes = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Find the objects in images.

    Standard output carries the results, standard error the progress. Exit codes: 0 done, 1 an
    explained failure, 2 usage, 3 some images failed and the rest are done, 4 the place is not
    there, 130 interrupted.
    """
    from offload import bootstrap
    from offload.domain.places import AUTO
    from offload.render import messages
    from offload.usecases.detect.request import Request

    named = {"others": options.names(*others or ()), "formats": _formats(formats)}
    request = Request(**options.fields(ctx, Request) | named)
    if out is None and (annotate or overwrite or request.formats != ("jsonl",)):
        raise typer.BadParameter("--annotate, --format and --overwrite need --out DIR.")
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


def _formats(text: str) -> tuple[str, ...]:
    from offload.drivers.folders.results_dir import FORMATS

    names = options.names(text)
    for name in names:
        if name not in FORMATS:
            raise typer.BadParameter(f"{name!r} is not one of {', '.join(FORMATS)}.")
    return names


def _carry_out(
    request: "Request", say: "Messages", configured: "Settings", *, as_json: bool, provision: bool
) -> None:
    from contextlib import ExitStack

    from offload import bootstrap
    from offload.cli.provisioning.provision import asked_for, renting
    from offload.domain.errors import OffloadError
    from offload.domain.events import Downloaded, Event
    from offload.render import detections, messages, progress
    from offload.usecases.detect import record
    from offload.usecases.detect.run import detection

    bring_up, rental = asked_for(request, say, configured, provision=provision)
    heard: set[type[Event]] = set()
    to_folder = request.out is not None
    with detections.sink(as_json=as_json, to_folder=to_folder) as add, ExitStack() as stack:
        bar = stack.enter_context(progress.transfer(Downloaded, say.quiet))
        listeners = say.hear, bar, lambda event: heard.add(type(event))
        context = bootstrap.context(*listeners, offline=request.offline, configured=configured)
        interrupted = stack.enter_context(renting(rental, context))
        shared = bootstrap.shared(request, context, BEGAN_S, rental)
        begun = shared.begun if shared else None
        run = stack.enter_context(detection(request, context, BEGAN_S, begun))
        stack.enter_context(stopping_on_interrupt(context, came=interrupted))
        with (
            progress.places(run.total, shared.monitor, say.quiet)
            if shared
            else progress.images(run.total, say.quiet)
        ) as advance:
            for row in run:
                add(row)
                say.row(row)
                advance(row)
    summary = run.summary()
    usual = Downloaded not in heard  # what a download took is no part of any other start-up
    outcome = record.remember(run, request, context, is_usual_start=usual, bring_up=bring_up)
    if shared:
        outcome = outcome or shared.remember(run)
    split = shared.monitor.view() if shared else None
    sent_twice = len(run.duplicate_uploads)
    say.summary(messages.summary_lines(summary, request.out, outcome, split, sent_twice))
    if interrupted:
        raise typer.Exit(INTERRUPTED)
    if not run.complete:
        raise OffloadError(
            f"Stopped early: {summary.failed} images failed, --max-failures is "
            f"{request.max_failures}.",
            hint="To go on regardless, run the same command without --max-failures.",
        )
    if summary.failed:
        raise typer.Exit(SOME_FAILED)
