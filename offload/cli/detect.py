"""`offload detect`."""

from typing import Annotated

import typer

from offload.cli import BEGAN_S, INTERRUPTED, options

SOME_FAILED = 3


def detect(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="Image, folder, glob pattern, .txt file with a path a line, or - for such a list "
            "on standard input.",
        ),
    ],
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Look into the folders' folders too.")
    ] = False,
    where: Annotated[
        str,
        typer.Option(
            help="The place to run at: local, in this process; container, on this machine; remote, "
            "a machine that runs offload serve; auto, the one that offload advise would choose "
            "(remote only if --url or the setting url names a server)."
        ),
    ] = "local",
    model: Annotated[
        str | None,
        typer.Option(
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
        typer.Option(
            min=0,
            max=1,
            help="Drop detections below this score. [default: the model's, 0.25 or 0.5]",
            show_default=False,
        ),
    ] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option("--class", help="Keep only this class, by name or id; repeatable."),
    ] = None,
    max_detections: Annotated[
        int, typer.Option(min=1, help="Keep at most this many per image, the best.")
    ] = 300,
    max_iou: Annotated[
        float,
        typer.Option(
            "--iou", min=0, max=1, help="Drop a box that overlaps a better one of its class more."
        ),
    ] = 0.7,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="Write results to this folder; if it holds some of "
            "the same run, go on where they end.",
        ),
    ] = None,
    formats: Annotated[
        str,
        typer.Option("--format", help="What --out writes, of jsonl,coco,csv,json."),
    ] = "jsonl",
    annotate: Annotated[
        bool, typer.Option("--annotate", help="Write pictures with boxes to DIR/annotated.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Discard the results that --out holds.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object per image on standard output.")
    ] = False,
    max_failures: Annotated[
        str | None,
        typer.Option(metavar="N|P%", help="Stop when more images than this have failed."),
    ] = None,
    max_pixels: options.MaxPixels = options.MAX_PIXELS,
    workers: options.Workers = None,
    threads: options.Threads = None,
    url: Annotated[
        str | None,
        typer.Option(help="remote: the server's address. [default: the setting url]"),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(help="remote: what the server wants to know. Better given as OFFLOAD_TOKEN."),
    ] = None,
    machine: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="remote: the rented machine. [default: the only one, if no --url]"
        ),
    ] = None,
    provision: Annotated[
        bool,
        typer.Option(
            "--provision",
            help="remote: rent a machine first if there is none, or bring up the one there is.",
        ),
    ] = False,
    concurrency: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1024,
            help="remote, container: requests in flight. [default: enough to hide the latency]",
            show_default=False,
        ),
    ] = None,
    timeout_s: Annotated[
        float,
        typer.Option("--timeout", min=0.1, help="remote, container: seconds without progress."),
    ] = 60.0,
    max_retries: Annotated[
        int, typer.Option(min=0, help="remote, container: attempts after the first.")
    ] = 5,
    fallback: Annotated[
        str | None,
        typer.Option(help="remote, container: local detects here what gets no answer there."),
    ] = None,
    upload_max_side: Annotated[
        int | None,
        typer.Option(
            min=16, metavar="PX", help="remote, container: send smaller copies of larger pictures."
        ),
    ] = None,
    upload_quality: Annotated[
        int, typer.Option(min=1, max=100, help="JPEG quality of those copies.")
    ] = 90,
    strip_metadata: Annotated[
        bool,
        typer.Option(
            "--strip-metadata",
            help="remote, container: send pictures without location and other metadata.",
        ),
    ] = False,
    image: Annotated[
        str | None,
        typer.Option(help="container: the image. [default: offload, built if it is not there]"),
    ] = None,
    cpus: Annotated[
        float | None, typer.Option(min=0.01, help="container: cores it may use at most.")
    ] = None,
    memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help="container: its limit, such as 512m.")
    ] = None,
    replicas: options.Replicas = None,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep", help="container: leave it up for the next run; offload down ends it."
        ),
    ] = False,
    keep_as: options.KeepAs = None,
    offline: options.Offline = False,
    quiet: options.Quiet = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say more on standard error.")
    ] = False,
) -> None:
    """Find the objects in images.

    Standard output carries the results, standard error the progress. Exit codes: 0 done, 1 an
    explained failure, 2 usage, 3 some images failed and the rest are done, 4 the place is not
    there, 130 interrupted.
    """
    from offload.app.pipeline import Stop
    from offload.cli.interrupt import stopping_on_interrupt
    from offload.cli.provision import for_run
    from offload.render import detections, messages, progress
    from offload.wiring import configuration, recording
    from offload.wiring.detection import detection
    from offload.wiring.request import AUTO, Request

    request = Request(
        sources=tuple(sources),
        recursive=recursive,
        where=where,
        model=model,
        labels=labels,
        min_score=min_score,
        classes=tuple(classes or ()),
        max_detections=max_detections,
        max_iou=max_iou,
        max_pixels=max_pixels,
        max_failures=max_failures,
        out=out,
        formats=_formats(formats),
        annotate=annotate,
        overwrite=overwrite,
        offline=offline,
        workers=workers,
        threads=threads,
        url=url,
        token=token,
        machine=machine,
        concurrency=concurrency,
        timeout_s=timeout_s,
        max_retries=max_retries,
        fallback=fallback,
        upload_max_side=upload_max_side,
        upload_quality=upload_quality,
        strip_metadata=strip_metadata,
        image=image,
        cpus=cpus,
        memory=memory,
        replicas=replicas,
        keep=keep,
        keep_as=keep_as,
    )
    if out is None and (annotate or overwrite or request.formats != ("jsonl",)):
        raise typer.BadParameter("--annotate, --format and --overwrite need --out DIR.")
    say = messages.Messages(quiet=quiet, verbose=verbose)
    configured = configuration.load()
    if where == AUTO:
        from offload.render.advice import one_line
        from offload.wiring import choosing

        hub = configuration.hub(configured, warn=say.warn, offline=offline)
        request, advice = choosing.decided(request, hub, configured, say.warn)
        say.note(one_line(advice))
    bring_up = for_run(request, quiet=quiet, verbose=verbose) if provision else None
    stop = Stop()
    fetched: list[int] = []  # what a download took is no part of any other start-up

    def on_bytes(have: int, total: int | None) -> None:
        fetched[:] = [have]
        show_bytes(have, total)

    with (
        progress.download(quiet) as show_bytes,
        detection(
            request,
            configuration.hub(
                configured,
                on_bytes,
                say.warn,
                offline=offline,
            ),
            configured,
            stop,
            BEGAN_S,
            say.follow,
        ) as run,
        stopping_on_interrupt(stop, say.warn) as interrupted,
    ):
        sink = detections.sink(as_json=as_json, to_folder=out is not None)
        with progress.images(run.total, quiet) as advance:
            for row in run:
                sink.add(row)
                say.row(row)
                advance(row)
    sink.close()
    summary = run.summary()
    outcome = recording.remember(
        run, request, configured, say.warn, is_usual_start=not fetched, bring_up=bring_up
    )
    say.summary(summary, out, outcome)
    if interrupted:
        raise typer.Exit(INTERRUPTED)
    if not run.complete:
        messages.stopped_early(summary, max_failures)
    if summary.failed:
        raise typer.Exit(SOME_FAILED)


def _formats(text: str) -> tuple[str, ...]:
    from offload.drivers.resultsdir import FORMATS

    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in FORMATS:
            raise typer.BadParameter(f"{name!r} is not one of {', '.join(FORMATS)}.")
    return names
