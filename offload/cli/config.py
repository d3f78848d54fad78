"""`offload config`."""

import sys
from typing import Annotated

import typer
from typer import Argument

from offload.cli.parsing import complete, configured, options
from offload.cli.parsing.pages import App
from offload.domain.errors import UsageError

app = App(no_args_is_help=False)

Key = Annotated[
    str,
    Argument(
        metavar="KEY",
        help="Name of the setting, such as min-score.",
        autocompletion=complete.settings,
    ),
]


@app.callback(invoke_without_command=True)
def config(ctx: typer.Context, as_json: options.AsJson = False) -> None:
    """Show all settings, or get or set one.

        offload config
        offload config set model ssd-mobilenet-v2

    Settings come from OFFLOAD_* variables, then ./offload.toml if you trust it, then your own
    settings file. An option on the command line overrides all of them.
    """
    if ctx.invoked_subcommand is not None:
        return
    from offload import bootstrap
    from offload.render import messages, tables

    context = bootstrap.context(messages.Messages().hear)
    tables.settings(bootstrap.facts(context.settings), as_json=as_json)


@app.command()
def get(key: Key) -> None:
    """Print the value of a setting; nothing if it is not set.

    offload config get model
    """
    from offload import bootstrap
    from offload.drivers import setting_kinds, settings
    from offload.render import messages, tables

    found = bootstrap.context(messages.Messages().hear).settings.origins.get(settings.named(key))
    if found is not None:
        tables.print_lines([setting_kinds.as_text(found.value)])


@app.command("set")
def put(
    ctx: typer.Context,
    key: Key,
    value: Annotated[str, Argument(metavar="VALUE")],
) -> None:
    """Set it in your own settings file.

    offload config set min-score 0.4
    offload config set token -

    Parameters:
        value: Its value; commas separate several; - reads standard input.
    """
    from offload.drivers import settings, settings_file

    key = settings.named(key)
    if value == "-":
        value = sys.stdin.readline().rstrip("\n")
    elif settings.is_secret(key):
        hint = f"To keep it off the command line: offload config set {key} -"
        raise UsageError("Other users of this computer can read command lines.", hint=hint)
    configured.check(ctx, key, value)
    file = settings_file.put(key, value).source
    typer.echo(f"{settings.typed_as(key)} is set in {file}", err=True)


@app.command()
def path() -> None:
    """Print the path of your own settings file.

    offload config path
    """
    from offload.drivers import settings

    typer.echo(settings.user_file())
