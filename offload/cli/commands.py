"""The command tree."""

from typing import Annotated

import typer
from typer import Option

from offload.cli import advise, detect, doctor, drop, experiment, models, profile, serve
from offload.cli.function import PLACE
from offload.cli.provisioning import functions, machines, provision
from offload.version import __version__

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"offload {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Detect objects in folders of images, here or wherever measurement says it is better."""


app.command("detect")(detect.detect)
app.add_typer(profile.app, name="profile")
app.command("advise")(advise.advise)
app.command("accuracy")(advise.accuracy)
app.command("experiment")(experiment.experiment)
app.command("report")(experiment.report)
app.command("serve")(serve.serve)
provision.app.command(PLACE)(functions.provision)
app.add_typer(provision.app, name="provision")
app.command("drop")(drop.drop)
app.command("results")(drop.results)
app.command("machines")(machines.machines)
app.command("start")(machines.start)
app.command("stop")(machines.stop)
app.command("down")(machines.down)
app.command("allow")(machines.allow)
app.command("logs")(machines.logs)
app.command("ssh", context_settings={"ignore_unknown_options": True})(machines.ssh)
app.add_typer(models.app, name="models")
app.command("doctor")(doctor.doctor)
app.command("config")(doctor.config)
app.command("trust")(doctor.trust)
app.command("examples")(doctor.examples)
