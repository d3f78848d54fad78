"""`offload advise`, `accuracy`."""

from typing import Annotated

import typer
from typer import Argument, Option

from offload.cli import options
from offload.domain import units


def advise(
    ctx: typer.Context,
    sources: Annotated[
        list[str] | None,
        Argument(metavar="[SOURCE]", help="The images the job is about; or give --images."),
    ] = None,
    images: Annotated[
        int | None, Option("--images", "-n", help="How many images the job has.")
    ] = None,
    recursive: options.Recursive = False,
    model: Annotated[
        str | None,
        Option(
            "--model", "-m", help="The model. [default: the setting, else the last one measured]"
        ),
    ] = None,
    optimize: Annotated[str, Option(help="What is to be small: time or cost.")] = "time",
    deadline_s: Annotated[
        float | None, options.duration("--deadline", "By when it must be done, such as 90s.")
    ] = None,
    max_cost_usd: Annotated[
        float | None, options.dollars("--max-cost", "What it may cost at most.")
    ] = None,
    value_of_time_usd_per_h: Annotated[
        float | None,
        options.dollars("--value-of-time", "What an hour of waiting is worth: weighs both."),
    ] = None,
    risk: Annotated[
        str, Option(help="mean, or averse: what nine runs of ten stay below.")
    ] = "mean",
    uplink_bytes_per_s: Annotated[
        float | None,
        options.quantity(
            "--uplink", units.rate_bytes_per_s, "RATE", "Instead of a measurement, such as 20Mbit."
        ),
    ] = None,
    rtt_s: Annotated[
        float | None, options.duration("--rtt", "The round trip, such as 30ms.", zero_ok=True)
    ] = None,
    image_bytes: Annotated[
        float | None,
        options.quantity(
            "--image-size", units.size_bytes, "SIZE", "What an image weighs, such as 2.5MB."
        ),
    ] = None,
    state: Annotated[
        str | None,
        Option(
            help="The remote machine before the job: warm, cold, stopped or new. [default: that of "
            "a rented one; of a server warm if it was measured; else new]"
        ),
    ] = None,
    url: Annotated[
        str | None,
        Option(
            help="The server that is meant, or the kind of machine, such as "
            "ec2:c7i.large@us-east-1. [default: the last one measured]"
        ),
    ] = None,
    price_usd_per_h: Annotated[
        float | None, options.dollars("--price", "The remote machine's price per hour.")
    ] = None,
    instance_type: Annotated[
        str | None,
        Option(
            help="The EC2 instance type that is priced. [default: that of a rented machine; "
            "c7i.large, if new]"
        ),
    ] = None,
    region: Annotated[str, Option(help="Where it runs.")] = "us-east-1",
    idle_s: Annotated[
        float,
        options.duration(
            "--idle", "How long a machine started for the job stays. [default: 20m]", zero_ok=True
        ),
    ] = 20 * 60.0,
    min_agreement: Annotated[
        float,
        Option(min=0, max=1, help="Smaller uploads must agree with full ones by this F1 at least."),
    ] = 0.97,
    what_if: Annotated[
        str | None,
        Option(metavar="NAME=VALUE,…", help="Other values, such as uplink=20Mbit,price=0.17."),
    ] = None,
    explain: Annotated[
        bool, Option("--explain", help="Every term: value, source, samples, age.")
    ] = False,
    plot: Annotated[
        str | None, Option(metavar="FILE", help="Draw it to a .png or .svg file.")
    ] = None,
    from_file: Annotated[
        str | None,
        Option("--from", metavar="FILE", help="Use an exported profile instead of ours."),
    ] = None,
    as_json: Annotated[bool, Option("--json", help="JSON instead of text.")] = False,
    offline: Annotated[bool, Option("--offline", help="Do not ask AWS for prices.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Say where to run a job: in how many seconds and dollars, how sure, and what would change it.

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
        int, Option("--last", "-n", min=1, help="Look at this many runs, the newest.")
    ] = 50,
    as_json: options.AsJson = False,
) -> None:
    """How good the last predictions were: each detect run beside what was predicted for it."""
    from offload import bootstrap
    from offload.render import accuracy as rendered
    from offload.render import messages

    with bootstrap.context(messages.Messages().hear).history() as store:
        rendered.show(store.outcomes(last), as_json=as_json)
