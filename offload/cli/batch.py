"""`offload batch`."""

from typing import Annotated

import typer
from typer import Argument, Option

from offload.cli import consent
from offload.cli.parsing import complete, options
from offload.cli.parsing.pages import App, RunGroup
from offload.cli.process import INTERRUPTED, SOME_FAILED, stopping_on_interrupt
from offload.cli.provisioning import batches

app = App(
    cls=RunGroup,
    help="""Find the objects in millions of images, in shards.

    offload batch s3://BUCKET/photos/ --out s3://BUCKET/rows/

It is short for: offload batch run s3://BUCKET/photos/ …""",
)

_OTHERS = ("out", "formats", "cpus", "max_cost_usd", "container_image", "price_usd_per_h")
"""Options that are called like those of `offload detect` and mean something else."""
_engine = options.panel("Engine")
_aws = options.panel("Machines of AWS Batch")
Name = Annotated[str, Argument(metavar="NAME", help="Name of the batch, or where its rows go.")]


@app.command()
def run(
    ctx: typer.Context,
    source: Annotated[str, Argument(metavar="SOURCE")],
    out: Annotated[str, options.result("--out -o", takes="URL|DIR")],
    engine: Annotated[
        str, _engine("--engine", takes="NAME", autocompletion=complete.engines)
    ] = "local",
    name: Annotated[str | None, options.result("--name", takes="NAME")] = None,
    formats: Annotated[
        str,
        options.result(
            "--format",
            takes="[jsonl|coco|…],…",
            autocompletion=complete.several(complete.formats),
        ),
    ] = "",
    address: Annotated[str | None, _engine("--address", takes="URL")] = None,
    batch_workers: Annotated[int | None, options.how_many(_engine, "--workers")] = None,
    cpus: Annotated[int | None, options.how_many(_engine, "--cpus")] = None,
    gpus: Annotated[int | None, options.how_many(_engine, "--gpus")] = None,
    most: Annotated[int | None, options.how_many(_engine, "--max", most=10_000)] = None,
    is_spot: Annotated[bool, _engine("--spot")] = False,
    plan: Annotated[bool, _aws("--plan")] = False,
    instance_type: Annotated[str | None, _aws("--instance-type", takes="TYPE")] = None,
    on_demand: Annotated[int | None, _aws("--on-demand-base", takes="N", min=0)] = None,
    container_image: Annotated[str | None, _aws("--container-image", takes="IMAGE")] = None,
    instance_profile: Annotated[str | None, _aws("--instance-profile", takes="NAME")] = None,
    price_usd_per_h: Annotated[float | None, options.dollars("--price", kind=_aws)] = None,
    subnet: Annotated[str | None, options.account("--subnet", takes="ID")] = None,
    region: options.Region = None,
    profile: options.Profile = None,
    shard_images: Annotated[int | None, options.speed("--shard-images", takes="N", min=1)] = None,
    max_cost_usd: Annotated[float | None, options.dollars("--max-cost", kind=options.limit)] = None,
    model: options.Model = None,
    labels: options.Labels = None,
    min_score: Annotated[
        float | None, options.detection("--min-score", takes="0..1", min=0, max=1)
    ] = None,
    classes: Annotated[list[str] | None, options.detection("--class", takes="NAME")] = None,
    threads: options.Threads = None,
    max_detections: Annotated[int, options.rare("--max-detections", takes="N", min=1)] = 300,
    max_iou: Annotated[float, options.rare("--iou", takes="0..1", min=0, max=1)] = 0.7,
    max_pixels: options.MaxPixels = options.MAX_PIXELS,
    offline: options.Offline = False,
    as_json: options.AsJson = False,
    yes: consent.Yes = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Find the objects in all images of a store or folder, in shards.

        offload batch s3://BUCKET/photos/ --out s3://BUCKET/rows/
        offload batch photos/ --out rows/ --format jsonl

    The same command goes on where an earlier one ended. Exit codes: 0 done, 1 an explained failure
    or shards without rows, 2 usage, 3 some images failed and the rest are done, 130 interrupted.

    Parameters:
        source: All images below it: a folder, or s3://, gs:// or az:// with a bucket.
        out: Where rows go; one that holds part of the same batch is continued.
        engine: Who hands out the shards. local: processes of this machine; dask, ray: workers of a
            cluster; aws-batch: array jobs.
        name: Name of the batch. [default: made of --out]
        formats: Files of all rows, besides those of the shards; those of offload detect.
        address: Where the engine's cluster listens.
        batch_workers: Shards in progress at a time. [default: the engine decides]
        cpus: Cores of each worker.
        gpus: GPUs of each worker.
        most: Machines at most.
        is_spot: Use spare machines, which are cheaper and may be taken away.
        plan: Only show what will be created at AWS and what it costs.
        instance_type: EC2 instance type; of several, like c7i.large,c6i.large, the best available.
            [default: c7i.large,c6i.large,c7a.large]
        on_demand: With --spot: so many of them on demand. [default: one in ten]
        container_image: Use one that the machines can pull, instead of building it.
        instance_profile: The instance profile they run with. [default: a new one that may only use
            this batch]
        price_usd_per_h: Price per hour of a machine. [default: AWS's]
        subnet: Subnet, or A,B for several. [default: those of the default network]
        shard_images: Images per shard. [default: 5 to 15 minutes of work]
        max_cost_usd: Stop when this run has cost so much; the same command goes on.
        min_score: Drop detections below this score. [default: the model's, 0.25 or 0.5]
        classes: Keep only this class, by name or id; repeatable.
        max_detections: Keep at most this many detections per image, the best.
        max_iou: Drop a box whose overlap (IoU) with a better one of its class is larger.
    """
    from offload import bootstrap
    from offload.domain.events import Downloaded
    from offload.engines.ports import EngineConfig
    from offload.render import messages, progress
    from offload.render.batches import outcomes
    from offload.usecases.batch import measured
    from offload.usecases.batch.run import Batch, batch
    from offload.usecases.detect.request import Request

    asked = Batch(**options.fields(ctx, Batch) | {"formats": options.names(formats)})
    request = Request((source,), **options.fields(ctx, Request, *_OTHERS))
    fixed = options.fields(ctx, EngineConfig, "workers")
    if engine == batches.ENGINE:
        machines = batches.bring_up(ctx, asked, plan=plan, yes=yes, as_json=as_json)
        if not machines:
            return
        fixed |= machines
    else:
        batches.refuse_options(ctx, engine)
        consent.to_engine(engine, yes=yes)
    say = messages.chosen(quiet=quiet, verbose=verbose)
    with progress.transfer(Downloaded, quiet) as bar:
        context = bootstrap.context(say.hear, bar, offline=offline)
        config = EngineConfig(
            settings=context.settings, reporter=context.reporter, workers=batch_workers,
            **fixed,
        )  # fmt: skip
        with batch(asked, request, config, context) as running:
            with (
                stopping_on_interrupt(context) as interrupted,
                outcomes.progress(running, quiet) as advance,
            ):
                for outcome in measured.remembered(running, engine, context):
                    advance(outcome)
            ended = running.index() if running.is_whole else None
    say.lines(outcomes.summary(running, ended))
    if as_json and ended:
        outcomes.index(ended)
    if interrupted:
        raise typer.Exit(INTERRUPTED)
    if ended is None or not ended.complete:
        raise outcomes.incomplete(running, ended)
    if ended.failed:
        raise typer.Exit(SOME_FAILED)


@app.command()
def status(name: Name, as_json: options.AsJson = False) -> None:
    """Show how a batch is.

    offload batch status NAME
    """
    from offload import bootstrap
    from offload.render import messages
    from offload.render.batches import outcomes
    from offload.usecases.batch import status

    context = bootstrap.context(messages.Messages().hear)
    outcomes.status(status.status(name, context), as_json=as_json)


@app.command()
def logs(name: Name) -> None:
    """Show why shards have no rows and images no detections.

    offload batch logs NAME
    """
    from offload import bootstrap
    from offload.render import messages
    from offload.render.batches import outcomes
    from offload.usecases.batch import status

    outcomes.lines(status.logs(name, bootstrap.context(messages.Messages().hear)))


@app.command()
def cancel(name: Name) -> None:
    """Stop a batch; what is in progress is finished.

        offload batch cancel NAME

    The rows that are there stay, and the command that began it goes on with it.
    """
    from offload import bootstrap
    from offload.render import messages
    from offload.usecases.batch import status

    context = bootstrap.context(messages.Messages().hear)
    batch = status.cancel(name, context)
    context.reporter.note(f"{batch.name} is cancelled. To go on: the command that began it, again")


@app.command(hidden=True)
def worker(
    out: Annotated[str, options.result("--out", takes="URL")],
    todo: Annotated[str, options.result("--todo", takes="KEY")],
    index: Annotated[int, Option("--index", envvar="AWS_BATCH_JOB_ARRAY_INDEX", show_envvar=False)],
    expects: Annotated[str | None, options.result("--expects", takes="VERSION")] = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Do one shard of a batch: what engines start.

        offload batch worker --out URL --todo KEY --index N

    For instance, an array job of AWS Batch says by itself which shard each of its children does.

    Parameters:
        out: Where the batch's rows go.
        todo: The object under it that lists numbers of shards.
        index: Which of them. [env: AWS_BATCH_JOB_ARRAY_INDEX]
        expects: The version of offload that began the batch; another one is refused.
    """
    from offload.domain.errors import OffloadError
    from offload.render import messages
    from offload.render.batches import outcomes
    from offload.usecases.batch import worker

    outcome = worker.one(out, todo, index, expects)
    messages.chosen(quiet=quiet, verbose=verbose).lines([outcomes.said(outcome)])
    if outcome.error:
        raise OffloadError(outcome.error)
