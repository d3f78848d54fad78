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
    sources: Annotated[
        list[str] | None,
        Argument(metavar="SOURCE", help="The images of the job; or give --images."),
    ] = None,
    images: Annotated[int | None, _job("--images -n", "How many images the job has.", "N")] = None,
    recursive: options.Recursive = False,
    model: options.ModelMeasured = None,
    image_bytes: Annotated[
        float | None,
        options.quantity(
            "--image-size",
            units.size_bytes,
            "SIZE",
            "Size of an image, such as 2.5MB. [default: as measured]",
            _job,
        ),
    ] = None,
    optimize: Annotated[Literal["time", "cost"], _wish("--optimize", "What to minimize.")] = "time",
    deadline_s: Annotated[
        float | None, options.duration("--deadline", "Time in which to finish, such as 90s.", _wish)
    ] = None,
    max_cost_usd: Annotated[
        float | None, options.dollars("--max-cost", "Maximum cost.", _wish)
    ] = None,
    value_of_time_usd_per_h: Annotated[
        float | None,
        options.dollars(
            "--value-of-time", "Value of an hour of waiting: weighs time against cost.", _wish
        ),
    ] = None,
    risk: Annotated[
        Literal["mean", "averse"], _wish("--risk", "averse: compare 90th percentiles, not means.")
    ] = "mean",
    url: Annotated[
        str | None,
        options.server(
            "--url",
            "The server, or a kind of machine such as ec2:c7i.large@us-east-1. [default: the last "
            "one measured]",
            "URL",
        ),
    ] = None,
    state: Annotated[
        StartState | None,
        options.server(
            "--state",
            "State of the remote machine before the job. [default: the rented machine's; warm for "
            "a measured server; else new]",
        ),
    ] = None,
    uplink_bytes_per_s: Annotated[
        float | None,
        options.quantity(
            "--uplink",
            units.rate_bytes_per_s,
            "RATE",
            "Uplink instead of the measured one, such as 20Mbit.",
            options.server,
        ),
    ] = None,
    rtt_s: Annotated[
        float | None,
        options.duration(
            "--rtt",
            "Round trip instead of the measured one, such as 30ms.",
            options.server,
            zero_ok=True,
        ),
    ] = None,
    instance_type: Annotated[
        str | None,
        options.account(
            "--instance-type",
            "EC2 instance type to price. [default: the rented machine's, else c7i.large]",
            "TYPE",
        ),
    ] = None,
    region: Annotated[
        str, options.account("--region", "AWS region to price in.", "REGION")
    ] = "us-east-1",
    price_usd_per_h: Annotated[
        float | None,
        options.dollars(
            "--price", "The remote machine's price per hour. [default: AWS's]", options.account
        ),
    ] = None,
    idle_s: Annotated[
        float,
        options.duration(
            "--idle",
            "Idle time after which a machine rented for the job ends. [default: 20m]",
            options.account,
            zero_ok=True,
        ),
    ] = 20 * 60.0,
    explain: Annotated[
        bool, options.result("--explain", "Show every term: value, source, samples, age.")
    ] = False,
    plot: Annotated[
        str | None, options.result("--plot", "Write a plot to a .png or .svg file.", "FILE")
    ] = None,
    as_json: Annotated[bool, options.result("--json", "JSON instead of text.")] = False,
    what_if: Annotated[
        str | None,
        options.rare(
            "--what-if", "Values to try, such as uplink=20Mbit,price=0.17.", "NAME=VALUE,…"
        ),
    ] = None,
    min_agreement: Annotated[
        float,
        options.rare(
            "--min-agreement",
            "Least agreement (F1) of smaller uploads with full-size ones.",
            "0..1",
            min=0,
            max=1,
        ),
    ] = 0.97,
    from_file: Annotated[
        str | None,
        options.rare("--from", "Use an exported profile, not this computer's history.", "FILE"),
    ] = None,
    offline: Annotated[
        bool, options.rare("--offline", "Do not ask AWS for prices. [env: OFFLOAD_OFFLINE]")
    ] = False,
    quiet: options.Quiet = False,
) -> None:
    """Say where to run a job, its total time and its cost.

        offload advise photos/
        offload advise --images 200 --deadline 60s

    Rests on what offload profile and past runs measured. What was never measured is assumed and
    marked so.
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
    answer = advise.advice(question, bootstrap.context(say.hear))
    if plot is not None:
        from offload.render.advice import plots

        plots.advice(plot, answer)
    rendered.show(answer, explain=explain, as_json=as_json)


def accuracy(
    last: Annotated[
        int, options.result("--last -n", "Number of runs, the newest.", "N", min=1)
    ] = 50,
    as_json: options.AsJson = False,
) -> None:
    """Show how good the last predictions were, run by run.

    offload accuracy --last 20
    """
    from offload import bootstrap
    from offload.render import accuracy as rendered
    from offload.render import messages

    with bootstrap.context(messages.Messages().hear).history() as store:
        rendered.show(store.outcomes(last), as_json=as_json)
