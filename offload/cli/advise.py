"""`offload advise`, `accuracy`."""

from typing import Annotated, Literal

import typer
from typer import Argument

from offload.cli.parsing import options
from offload.domain import units
from offload.domain.places import StartState

_job = options.panel("The job")
_wish = options.panel("Goal")


def advise(
    ctx: typer.Context,
    sources: Annotated[list[str] | None, Argument(metavar="SOURCE")] = None,
    images: Annotated[int | None, _job("--images -n", takes="N")] = None,
    engine: Annotated[str | None, _job("--engine", takes="NAME")] = None,
    workers: Annotated[int | None, _job("--workers", takes="N", min=1)] = None,
    recursive: options.Recursive = False,
    model: options.ModelMeasured = None,
    image_bytes: Annotated[
        float | None, options.quantity("--image-size", units.size_bytes, "SIZE", kind=_job)
    ] = None,
    optimize: Annotated[Literal["time", "cost"], _wish("--optimize")] = "time",
    deadline_s: Annotated[float | None, options.duration("--deadline", kind=_wish)] = None,
    max_cost_usd: Annotated[float | None, options.dollars("--max-cost", kind=_wish)] = None,
    value_of_time_usd_per_h: Annotated[
        float | None, options.dollars("--value-of-time", kind=_wish)
    ] = None,
    risk: Annotated[Literal["mean", "averse"], _wish("--risk")] = "mean",
    url: Annotated[str | None, options.server("--url", takes="URL")] = None,
    state: Annotated[StartState | None, options.server("--state")] = None,
    uplink_bytes_per_s: Annotated[
        float | None,
        options.quantity("--uplink", units.rate_bytes_per_s, "RATE", kind=options.server),
    ] = None,
    rtt_s: Annotated[
        float | None, options.duration("--rtt", kind=options.server, zero_ok=True)
    ] = None,
    instance_type: Annotated[str | None, options.account("--instance-type", takes="TYPE")] = None,
    region: Annotated[str, options.account("--region", takes="REGION")] = "us-east-1",
    price_usd_per_h: Annotated[
        float | None, options.dollars("--price", kind=options.account)
    ] = None,
    idle_s: Annotated[float, options.duration("--idle", kind=options.account, zero_ok=True)] = 20
    * 60.0,
    explain: Annotated[bool, options.result("--explain")] = False,
    plot: Annotated[str | None, options.result("--plot", takes="FILE")] = None,
    as_json: options.AsJson = False,
    what_if: Annotated[str | None, options.rare("--what-if", takes="NAME=VALUE,…")] = None,
    min_agreement: Annotated[
        float, options.rare("--min-agreement", takes="0..1", min=0, max=1)
    ] = 0.97,
    from_file: Annotated[str | None, options.rare("--from", takes="FILE")] = None,
    offline: Annotated[bool, options.rare("--offline")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Say where to run a job, its total time and its cost.

        offload advise photos/
        offload advise --images 200 --deadline 60s
        offload advise s3://BUCKET/photos/ --deadline 2h

    Rests on what offload profile and past runs measured. What was never measured is assumed and
    marked so. Of images in a store some are read and worked on here first.

    Parameters:
        sources: The images of the job; or give --images.
        images: How many images the job has; of a store, instead of counting them.
        engine: Engine whose workers could do it, as offload batch takes.
        workers: Maximum number of an engine's workers. [default: 100]
        image_bytes: Size of an image, such as 2.5MB. [default: as measured]
        optimize: What to minimize.
        deadline_s: Time in which to finish, such as 90s.
        max_cost_usd: Maximum cost.
        value_of_time_usd_per_h: Value of an hour of waiting: weighs time against cost.
        risk: averse: compare 90th percentiles, not means.
        url: The server, or a kind of machine such as ec2:c7i.large@us-east-1. [default: the last
            one measured]
        state: State of the remote machine before the job. [default: the rented machine's; warm for
            a measured server; else new]
        uplink_bytes_per_s: Uplink instead of the measured one, such as 20Mbit.
        rtt_s: Round trip instead of the measured one, such as 30ms.
        instance_type: EC2 instance type to price. [default: the rented machine's, else c7i.large]
        region: AWS region to price in.
        price_usd_per_h: The remote machine's price per hour. [default: AWS's]
        idle_s: Idle time after which a machine rented for the job ends. [default: 20m]
        explain: Show every term: value, source, samples, age.
        plot: Write a plot to a .png or .svg file.
        what_if: Values to try, such as uplink=20Mbit,price=0.17.
        min_agreement: Least agreement (F1) of smaller uploads with full-size ones.
        from_file: Use an exported profile, not this computer's history.
        offline: Do not ask AWS for prices. [env: OFFLOAD_OFFLINE]
    """
    from offload import bootstrap
    from offload.render import messages
    from offload.render.advice import advice as rendered
    from offload.usecases.advise import advise
    from offload.usecases.advise.question import Question

    question = Question(**options.fields(ctx, Question))
    if what_if is not None:
        question = question.what_if(what_if)
    say = messages.Messages(quiet=quiet)
    context = bootstrap.context(say.hear)
    if question.stored:
        from offload.usecases.profile import stored

        question = stored.looked_at(question, context)
    answer = advise.advice(question, context)
    if plot is not None:
        from offload.render.advice import plots

        plots.advice(plot, answer)
    rendered.show(answer, explain=explain, as_json=as_json)


def accuracy(
    last: Annotated[int, options.result("--last -n", takes="N", min=1)] = 50,
    as_json: options.AsJson = False,
) -> None:
    """Show how good the last predictions were, run by run.

    offload accuracy --last 20

    Parameters:
        last: Number of runs, the newest.
    """
    from offload import bootstrap
    from offload.render import accuracy as rendered
    from offload.render import messages

    with bootstrap.context(messages.Messages().hear).history() as store:
        rendered.show(store.outcomes(last), as_json=as_json)
