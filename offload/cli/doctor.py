"""`offload doctor`, `config`, `trust`, `examples`."""

from typing import Annotated

import typer
from typer import Argument

from offload.cli import options


def doctor(
    what: Annotated[
        str | None,
        Argument(
            metavar="aws",
            help="What renting machines there needs, instead.",
            autocompletion=lambda: ["aws"],
        ),
    ] = None,
    region: options.Region = None,
    profile: options.Profile = None,
    subnet: Annotated[
        str | None,
        options.account("--subnet", "Of the machine. [default: any of the default network]", "ID"),
    ] = None,
    policy: Annotated[
        bool, options.account("--policy", "Print the least IAM policy that renting needs, only.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Show what works here: runtimes, models, hub, Docker, AWS.

        offload doctor
        offload doctor aws --region eu-central-1

    With aws: credentials, region, quota, and which permissions are missing. Nothing is created.
    """
    import json

    from offload import bootstrap
    from offload.domain.errors import UsageError
    from offload.drivers.aws import iam
    from offload.render import tables
    from offload.usecases import doctor
    from offload.usecases.provision import cloud_diagnosis

    if what != "aws" and (what is not None or region or profile or subnet or policy):
        wrong = f"There is no doctor for {what!r}." if what else "Those options are of one place."
        raise UsageError(wrong, hint="offload doctor aws")
    if policy:
        tables.print_lines(json.dumps(iam.policy(), indent=2).splitlines())
        return
    if what is None:
        tables.facts(doctor.facts(bootstrap.context().settings), as_json=as_json)
        return
    found, missing = cloud_diagnosis.facts(bootstrap.context(), region, profile, subnet)
    tables.facts(found, as_json=as_json)
    if missing is not None:
        raise missing


def config(as_json: options.AsJson = False) -> None:
    """Show every setting, its value and where it was set.

        offload config

    Settings come from OFFLOAD_* variables, then ./offload.toml if you trust it, then your own
    settings file.
    """
    from offload import bootstrap
    from offload.render import tables

    tables.facts(bootstrap.facts(bootstrap.context().settings), as_json=as_json)


def trust() -> None:
    """Trust this folder's offload.toml until it is changed.

        offload trust

    Shows what it sets. It may set offline, workers, threads, history and keep_local. All else is
    set in your own settings file or as OFFLOAD_* variables only: a folder may come from anybody.
    """
    from offload.drivers import settings
    from offload.render import tables

    found = settings.trusted()
    tables.facts({name: setting.value for name, setting in found.items()}, as_json=False)


def examples(folder: Annotated[str, Argument(metavar="DIR", help="Where to put them.")]) -> None:
    """Lay out pictures to try offload on, and print their paths.

        offload examples pictures/

    A dozen are the project's own; the photographs come from matplotlib and scikit-image as far as
    those are installed. Nothing is downloaded.
    """
    from offload.usecases import examples

    for path in examples.lay_out(folder):
        typer.echo(path)
