"""`offload models`."""

from typing import Annotated

import typer
from typer import Argument

from offload.cli.parsing import complete, options
from offload.cli.parsing.pages import App

app = App(
    help="""List, describe and fetch models.

    offload models pull efficientdet-lite0"""
)


@app.command("list")
def list_models(as_json: options.AsJson = False) -> None:
    """Show the named models, and which are downloaded.

    offload models list
    """
    from offload import bootstrap
    from offload.render import tables
    from offload.usecases import models

    tables.models(models.listing(bootstrap.context().settings), as_json=as_json)


@app.command()
def show(
    name: Annotated[str, Argument(metavar="NAME", autocompletion=complete.models)],
    as_json: options.AsJson = False,
) -> None:
    """Show one model: source, licence, classes, SHA-256.

    offload models show efficientdet-lite0

    Parameters:
        name: A name from the list, a file, or a folder.
    """
    from offload import bootstrap
    from offload.render import tables
    from offload.usecases import models

    tables.facts(models.facts(name, bootstrap.context().hub), as_json=as_json)


@app.command()
def pull(
    name: Annotated[str, Argument(metavar="NAME", autocompletion=complete.models)],
    force: Annotated[bool, options.rare("--force")] = False,
    quiet: Annotated[bool, options.rare("--quiet -q")] = False,
) -> None:
    """Fetch a model, so that it can be used offline.

    offload models pull efficientdet-lite0

    Parameters:
        name: A name from the list, a hub handle or a URL.
        force: Fetch it again even if it is here.
        quiet: Show no progress.
    """
    from offload import bootstrap
    from offload.domain.events import Downloaded
    from offload.render import messages, progress

    say = messages.Messages(quiet=quiet)
    with progress.transfer(Downloaded, quiet) as bar:
        model = bootstrap.context(say.hear, bar).hub.pull(name, force=force)
    typer.echo(f"{model.identity.name}  {model.identity.sha256}  {model.path}")
