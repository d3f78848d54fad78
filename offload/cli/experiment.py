"""`offload experiment`."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from offload.cli import consent, options
from offload.cli.process import INTERRUPTED, SOME_FAILED

if TYPE_CHECKING:
    from offload.usecases.experiment.run import StudySetup

T = TypeVar("T")


def experiment(
    sources: Annotated[
        list[str], typer.Argument(metavar="SOURCE", help="Images, as for offload detect.")
    ],
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="The study's folder; if it holds some of the same study, go on where that ends.",
        ),
    ] = None,
    images: Annotated[
        str | None,
        typer.Option(
            metavar="N,…",
            help="Numbers of images. [default: 1,2,5,10,20,50,100,200 as far as there are so many]",
            show_default=False,
        ),
    ] = None,
    where: Annotated[
        str, typer.Option(metavar="PLACE,…", help="Of local, container, remote.")
    ] = "local",
    repeats: Annotated[int, typer.Option(min=1, max=1000, help="How often each cell is done.")] = 3,
    concurrency: Annotated[
        str | None, typer.Option(metavar="N,…", help="remote, container: requests in flight.")
    ] = None,
    replicas: Annotated[
        str | None, typer.Option(metavar="N,…", help="container: how many share the images.")
    ] = None,
    cpus: Annotated[
        str | None, typer.Option(metavar="CORES,…", help="container: what each may use at most.")
    ] = None,
    upload_max_side: Annotated[
        str | None,
        typer.Option(
            metavar="PX,…",
            help="remote, container: longest sides of smaller copies; full for none.",
        ),
    ] = None,
    link: Annotated[
        str | None, typer.Option(metavar="MBIT,…", help="remote: rates to shape the link to.")
    ] = None,
    link_command: Annotated[
        str | None,
        typer.Option(metavar="COMMAND", help="What shapes it, such as 'my-shaper --rate {mbit}'."),
    ] = None,
    cold: Annotated[
        bool,
        typer.Option("--cold", help="Bring each place up anew for every cell, and count it in."),
    ] = False,
    seed: Annotated[int, typer.Option(help="Draws the images and the order of the cells.")] = 0,
    plan: Annotated[
        bool, typer.Option("--plan", help="Show the cells, what they take and cost, only.")
    ] = False,
    yes: consent.Yes = False,
    recursive: options.Recursive = False,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="As for offload detect.")
    ] = None,
    labels: options.Labels = None,
    url: options.Url = None,
    price: Annotated[
        float | None,
        options.dollars("--price", "remote: what the server at --url costs per hour."),
    ] = None,
    machine: options.MachineName = None,
    memory: options.Memory = None,
    offline: options.Offline = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Run the same detector over a grid of jobs at several places, and keep all that was measured.

    Each cell is one offload detect in a process of its own; it is on disk before the next begins,
    and the same command goes on after an interruption. Exit codes: 0 done, 1 an explained failure,
    2 usage, 3 some cells failed and the rest are done, 130 interrupted.
    """
    import sys

    from offload import bootstrap
    from offload.domain.events import Downloaded
    from offload.domain.studies import Design
    from offload.places import known
    from offload.render import messages, progress
    from offload.usecases.detect.request import at_each
    from offload.usecases.experiment import designing, sampling

    if out is None and not plan:
        raise typer.BadParameter("A study needs a folder: --out DIR. To see its cells: --plan")
    places = tuple(dict.fromkeys(name.strip() for name in where.split(",") if name.strip()))
    requests = at_each(
        places,
        sources,
        recursive=recursive,
        model=model,
        labels=labels,
        url=url,
        machine=machine,
        memory=memory,
        offline=offline,
    )
    numbers = _levels(images, "--images", int)
    drawn = sampling.drawn(sources, seed, max(numbers, default=1), recursive=recursive, skip=out)
    design = Design(
        images=numbers or sampling.usual(len(drawn.paths)),
        places=places,
        concurrency=_levels(concurrency, "--concurrency", int, most=1024),
        replicas=_levels(replicas, "--replicas", int, most=64),
        cpus=_levels(cpus, "--cpus", float, least=0.01, most=1024),
        upload_max_side_px=_levels(upload_max_side, "--upload-max-side", _side_px, least=16),
        link_mbit=_levels(link, "--link", float, least=0.001),
        cold=cold,
        repeats=repeats,
        seed=seed,
        known=known(),
    )
    say = messages.Messages(quiet=quiet, verbose=verbose)
    with progress.transfer(Downloaded, quiet) as bar:
        context = bootstrap.context(say.hear, bar, offline=offline)
        study = designing.study(
            design, requests, drawn, context,
            link_command=link_command,
            price_usd_per_h=price,
            command=["offload", *sys.argv[1:]],
        )  # fmt: skip
    if plan or out is None:
        from offload.render import studies

        studies.plan(study.plan())
        return
    consent.to_rented(places, yes=yes)
    _run(study, out, yes=yes, quiet=quiet)


def _run(study: "StudySetup", out: str, *, yes: bool, quiet: bool) -> None:
    from time import perf_counter

    from offload.cli.process import stopping_on_interrupt
    from offload.domain.units import show_usd
    from offload.render import studies
    from offload.usecases.experiment.cells import StudyProgress

    reporter, runs = study.context.reporter, []
    with study.opened(out) as running:
        plan, standing, total = running.plan, running.standing, len(study.design.cells())
        for line in studies.plan_lines(plan):
            reporter.note(line)
        if study.rents and plan.usd_per_h and not yes:
            question = f"Begin, for about {show_usd(plan.usd)}?"
            if not consent.given(question, "Nothing that costs money is begun without a yes."):
                raise typer.Exit(1)
        pace = StudyProgress(plan, perf_counter)
        with (
            stopping_on_interrupt(study.context, "Finishing this cell") as interrupted,
            studies.progress(running.done, pace, standing, total, quiet) as advance,
        ):
            for run in running.runs:
                runs.append(run)
                pace.done(run.cell)
                advance(run)
                reporter.note(studies.cell_line(run))
    for line in studies.summary_lines(runs, total, running.done, standing, out):
        reporter.note(line)
    if interrupted:
        raise typer.Exit(INTERRUPTED)
    if any(run.error for run in runs):
        raise typer.Exit(SOME_FAILED)


def _levels(
    text: str | None, option: str, kind: Callable[[str], T], least: float = 1, most: int = 1_000_000
) -> tuple[T, ...]:
    """The values of a list, each once; none of a list that was left out."""
    if text is None:
        return ()
    try:
        values = tuple(dict.fromkeys(kind(word) for word in text.split(",")))
    except ValueError as error:
        raise typer.BadParameter(f"{option} takes numbers, such as 1,2,5, not {text!r}.") from error
    if any(value is not None and not least <= value <= most for value in values):  # type: ignore[operator] # numbers
        raise typer.BadParameter(f"{option} takes numbers from {least} to {most}, not {text!r}.")
    return values


def _side_px(text: str) -> int | None:
    return None if text.strip() == "full" else int(text)
