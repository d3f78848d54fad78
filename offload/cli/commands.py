"""The command tree."""

from typing import Annotated, Any

import typer
from typer import Option

from offload.cli import (
    advise,
    batch,
    config,
    detect,
    doctor,
    drop,
    experiment,
    fleet,
    models,
    profile,
    serve,
)
from offload.cli.function import PLACE
from offload.cli.parsing import complete
from offload.cli.parsing.configured import ConfiguredGroup
from offload.cli.parsing.pages import App, CommandGroup
from offload.cli.provisioning import clusters, down, fleets, functions, machines, provision
from offload.version import __version__

_PANELS: dict[str, dict[str, Any]] = {
    "Run": {
        "detect": detect.detect,
        "batch": batch.app,
        "serve": serve.serve,
        "drop": drop.drop,
        "results": drop.results,
        "work": fleet.work,
    },
    "Decide": {"profile": profile.app, "advise": advise.advise, "accuracy": advise.accuracy},
    "Study": {"experiment": experiment.experiment, "report": experiment.report},
    "Machines": {
        "provision": provision.app,
        "machines": machines.machines,
        "fleet": fleet.fleet,
        "start": machines.start,
        "stop": machines.stop,
        "down": down.down,
        "allow": machines.allow,
        "logs": machines.logs,
        "ssh": machines.ssh,
    },
    "Set-up": {
        "doctor": doctor.doctor,
        "models": models.app,
        "config": config.app,
        "trust": doctor.trust,
        "examples": doctor.examples,
    },
}
_SETTINGS = {"ssh": {"ignore_unknown_options": True}}


class Root(ConfiguredGroup, CommandGroup):
    """Every command, in the order of the panels."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names."""
        return [name for commands in _PANELS.values() for name in commands]

    def get_params(self, ctx: Any) -> Any:
        """Typer's own among them, of which one does something else."""
        params = super().get_params(ctx)
        for param in params:
            if param.name == "install_completion":
                param.callback = complete.install
        return params


app = App(cls=Root, context_settings={"help_option_names": ["-h", "--help"]})


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
    """Detect objects in images, here or where measurements say it is better.

        offload detect photos/
        offload detect photos/ -r --out results/ --annotate
        offload advise --images 200

    Documentation: README.md and docs/ in the source.
    """


provision.app.command(PLACE)(functions.provision)
provision.app.command(fleet.PLACE)(fleets.provision)
provision.app.command(clusters.PLACE)(clusters.provision)
for _panel, _commands in _PANELS.items():
    for _name, _command in _commands.items():
        if isinstance(_command, typer.Typer):
            app.add_typer(_command, name=_name, rich_help_panel=_panel)
        else:
            _own = _SETTINGS.get(_name)
            app.command(_name, rich_help_panel=_panel, context_settings=_own)(_command)
