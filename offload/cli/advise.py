"""`offload advise`, `accuracy`."""

from typing import Annotated

import typer
from typer import Argument

from offload.cli.parsing import complete, options
from offload.domain import units
from offload.domain.places import StartState

_job = options.panel("The job")
_wish = options.panel("What is best")


def advise(
    ctx: typer.Context,
    sources: Annotated[
        list[str] | None,
        Argument(metavar="SOURCE", help="The images the job is about; or give --images."),
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
            "What an image weighs, such as 2.5MB. [default: as measured]",
            _job,
        ),
    ] = None,
    optimize: Annotated[
        str, _wish("--optimize", "What is to be small.", **complete.one_of("time", "cost"))
    ] = "time",
    deadline_s: Annotated[
        float | None, options.duration("--deadline", "By when it must be done, such as 90s.", _wish)
    ] = None,
    max_cost_usd: Annotated[
        float | None, options.dollars("--max-cost", "What it may cost at most.", _wish)
    ] = None,
    value_of_time_usd_per_h: Annotated[
        float | None,
        options.dollars("--value-of-time", "What an hour of waiting is worth: weighs both.", _wish),
    ] = None,
    risk: Annotated[
        str,
        _wish(
            "--risk",
            "averse: what nine runs of ten stay below.",
            **complete.one_of("mean", "averse"),
        ),
    ] = "mean",
    url: Annotated[
        str | None,
        options.server(
            "--url",
            "The server that is meant, or the kind of machine, such as "
            "ec2:c7i.large@us-east-1. [default: the last one measured]",
            "URL",
        ),
    ] = None,
    state: Annotated[
        str | None,
        options.server(
            "--state",
            "The remote machine before the job. [default: that of a rented one; of a server "
            "warm if it was measured; else new]",
            **complete.one_of(*StartState),
        ),
    ] = None,
    uplink_bytes_per_s: Annotated[
        float | None,
        options.quantity(
            "--uplink",
            units.rate_bytes_per_s,
            "RATE",
            "Instead of a measurement, such as 20Mbit.",
            options.server,
        ),
    ] = None,
    rtt_s: Annotated[
        float | None,
        options.duration("--rtt", "The round trip, such as 30ms.", options.server, zero_ok=True),
    ] = None,
    instance_type: Annotated[
        str | None,
        options.account(
            "--instance-type",
            "The EC2 instance type that is priced. [default: that of a rented machine; "
            "c7i.large, if new]",
            "TYPE",
        ),
    ] = None,
    region: Annotated[str, options.account("--region", "Where it runs.", "REGION")] = "us-east-1",
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
            "How long a machine started for the job stays. [default: 20m]",
            options.account,
            zero_ok=True,
        ),
    ] = 20 * 60.0,
    explain: Annotated[
        bool, options.result("--explain", "Every term: value, source, samples, age.")
    ] = False,
    plot: Annotated[
        str | None, options.result("--plot", "Draw it to a .png or .svg file.", "FILE")
    ] = None,
    as_json: Annotated[bool, options.result("--json", "JSON instead of text.")] = False,
    what_if: Annotated[
        str | None,
        options.rare(
            "--what-if", "Other values, such as uplink=20Mbit,price=0.17.", "NAME=VALUE,…"
        ),
    ] = None,
    min_agreement: Annotated[
        float,
        options.rare(
            "--min-agreement",
            "Smaller uploads must agree with full ones by this F1 at least.",
            "0..1",
            min=0,
            max=1,
        ),
    ] = 0.97,
    from_file: Annotated[
        str | None, options.rare("--from", "Use an exported profile instead of ours.", "FILE")
    ] = None,
    offline: Annotated[
        bool, options.rare("--offline", "Do not ask AWS for prices. [env: OFFLOAD_OFFLINE]")
    ] = False,
    quiet: options.Quiet = False,
) -> None:
    """Say where to run a job, in what time, for how many dollars.

        offload advise photos/
        offload advise --images 200 --deadline 60s

    Answers from what offload profile and past runs measured; what was never measured is assumed,
    and said to be.
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
        int, options.result("--last -n", "Look at this many runs, the newest.", "N", min=1)
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
