"""`offload models`."""

from typing import Annotated

import typer
from typer import Argument, Option

from offload.cli import options

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="The detectors there are, and fetching them."
)


@app.command("list")
def list_models(as_json: options.AsJson = False) -> None:
    """Show the models that have a name, and which of them are on this machine."""
    from offload import bootstrap
    from offload.render import tables
    from offload.usecases import models

    tables.models(models.listing(bootstrap.context().settings), as_json=as_json)


@app.command()
def show(
    name: Annotated[str, Argument(help="A name from the list, a file, or a folder.")],
    as_json: options.AsJson = False,
) -> None:
    """Show what is known of one model: source, licence, classes, SHA-256."""
    from offload import bootstrap
    from offload.render import tables
    from offload.usecases import models

    tables.facts(models.facts(name, bootstrap.context().hub), as_json=as_json)


@app.command()
def pull(
    name: Annotated[str, Argument(help="A name from the list, a hub handle or a URL.")],
    force: Annotated[bool, Option("--force", help="Fetch it although it is here.")] = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="Show no progress.")] = False,
) -> None:
    """Fetch a model, so that it can be used offline."""
    from offload import bootstrap
    from offload.domain.events import Downloaded
    from offload.render import messages, progress

    say = messages.Messages(quiet=quiet)
    with progress.transfer(Downloaded, quiet) as bar:
        model = bootstrap.context(say.hear, bar).hub.pull(name, force=force)
    typer.echo(f"{model.identity.name}  {model.identity.sha256}  {model.path}")
