"""`offload experiment`, `report`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument

from offload.cli import consent
from offload.cli.parsing import options
from offload.cli.process import INTERRUPTED, SOME_FAILED, stopping_on_interrupt
from offload.domain.errors import UsageError

if TYPE_CHECKING:
    from offload.usecases.experiment.study import StudySetup

_grid = options.panel("The grid")


def _side_px(text: str) -> int | None:
    return None if text.strip() == "full" else int(text)


def experiment(
    ctx: typer.Context,
    sources: options.Sources,
    out: options.Out = None,
    where: options.Places = "local",
    images: Annotated[Any, options.levels("--images", "N,…", kind=_grid)] = None,
    repeats: Annotated[int, _grid("--repeats", takes="N", min=1, max=1000)] = 3,
    concurrency: Annotated[
        Any, options.levels("--concurrency", "N,…", most=1024, kind=_grid)
    ] = None,
    replicas: Annotated[Any, options.levels("--replicas", "N,…", most=64, kind=_grid)] = None,
    cpus: Annotated[
        Any, options.levels("--cpus", "CORES,…", kind=_grid, number=float, least=0.01, most=1024)
    ] = None,
    upload_max_side_px: Annotated[
        Any, options.levels("--upload-max-side", "PX,…", least=16, kind=_grid, number=_side_px)
    ] = None,
    link_mbit: Annotated[
        Any, options.levels("--link", "MBIT,…", least=0.001, kind=_grid, number=float)
    ] = None,
    recursive: options.Recursive = False,
    model: options.Model = None,
    labels: options.Labels = None,
    url: options.Url = None,
    machine: options.MachineName = None,
    price: Annotated[float | None, options.dollars("--price", kind=options.server)] = None,
    memory: options.Memory = None,
    plan: Annotated[bool, options.result("--plan")] = False,
    cold: Annotated[bool, options.rare("--cold")] = False,
    seed: Annotated[int, options.rare("--seed", takes="N")] = 0,
    link_command: Annotated[str | None, options.rare("--link-command", takes="COMMAND")] = None,
    offline: options.Offline = False,
    yes: consent.Yes = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Measure one detector over a grid of jobs and places.

        offload experiment photos/ --where local,container -o study/

    Each cell is one offload detect in a process of its own; it is on disk before the next begins.
    After an interruption the same command continues. Exit codes: 0 done, 1 an explained failure, 2
    usage, 3 some cells failed and the rest are done, 130 interrupted.

    Parameters:
        images: Numbers of images. [default: 1,2,5,10,20,50,100,200, up to those there are]
        repeats: Runs of each cell.
        concurrency: not local: requests in flight.
        replicas: container, kubernetes: numbers of containers or pods.
        cpus: container: core limits of each.
        upload_max_side_px: remote, container, lambda: longest sides of smaller copies; full: no
            copies.
        link_mbit: remote: rates to shape the link to.
        price: Price per hour of the server at --url.
        plan: Only show the cells, their time and cost.
        cold: Start each place anew for every cell, and count its cold start.
        seed: Random seed for the images and the order of the cells.
        link_command: Command that shapes the link, such as 'my-shaper --rate {mbit}'.
    """
    import sys

    from offload import bootstrap
    from offload.domain.events import Downloaded
    from offload.domain.studies import Design
    from offload.places import known
    from offload.render import messages, progress
    from offload.usecases.detect.request import Request, at_each
    from offload.usecases.experiment import sampling
    from offload.usecases.experiment.study import designed

    if out is None and not plan:
        raise UsageError("A study needs a folder: --out DIR.", hint="To see its cells: --plan")
    places = options.names(where)
    varied = "where", "out", "concurrency", "replicas", "cpus"
    requests = at_each(places, **options.for_places(ctx, Request, places, *varied))
    most = max(images or (), default=1)
    drawn = sampling.drawn(sources, seed, most, recursive=recursive, skip=out)
    grid = options.fields(ctx, Design)
    grid["images"] = images or sampling.usual(len(drawn.paths))
    design = Design(**grid, places=places, known=known())
    say = messages.Messages(quiet=quiet, verbose=verbose)
    with progress.transfer(Downloaded, quiet) as bar:
        context = bootstrap.context(say.hear, bar, offline=offline)
        study = designed(
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
    from offload.domain.units import show_usd
    from offload.render import studies

    reporter, runs = study.context.reporter, []
    with study.opened(out) as running:
        plan, standing, total = running.plan, running.standing, len(study.design.cells())
        for line in studies.plan_lines(plan):
            reporter.note(line)
        if study.rents and plan.usd_per_h and not yes:
            question = f"Begin, for about {show_usd(plan.usd)}?"
            if not consent.given(question, "A study that costs money"):
                raise typer.Exit(1)
        with (
            stopping_on_interrupt(study.context, "Finishing this cell") as interrupted,
            studies.progress(running.done, plan, standing, total, quiet) as advance,
        ):
            for run in running.runs:
                runs.append(run)
                advance(run)
                reporter.note(studies.cell_line(run, running.done + len(runs), total))
    for line in studies.summary_lines(runs, total, running.done, standing, out):
        reporter.note(line)
    if interrupted:
        raise typer.Exit(INTERRUPTED)
    if any(run.error for run in runs):
        raise typer.Exit(SOME_FAILED)


def report(
    study: Annotated[str, Argument(metavar="STUDY")],
    out: Annotated[str | None, options.result("--out -o", takes="FILE")] = None,
    template: Annotated[str | None, options.rare("--template", takes="DIR")] = None,
) -> None:
    """Write up a study: figures, and conclusions with their numbers.

        offload report study/ -o report.pdf

    A PDF of at most eight pages, or one self-contained HTML file. Prints the paths.

    Parameters:
        study: The folder that offload experiment wrote.
        out: A .pdf or an .html file, or a folder for both. [default: the study's]
        template: Templates of your own that replace those of the same name: report.html,
            report.typ, sentences.toml, conclusions.html, …
    """
    from offload.render.report import build
    from offload.usecases.experiment.study import recorded

    paths = build.targets(study if out is None else out)
    build.write(recorded(study), paths, template)
    for path in paths:
        typer.echo(path)
