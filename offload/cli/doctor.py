"""`offload doctor`, `trust`, `examples`."""

from typing import Annotated

import typer
from typer import Argument

from offload.cli.parsing import options
from offload.cli.parsing.configured import is_typed


def doctor(
    ctx: typer.Context,
    what: Annotated[str | None, Argument(metavar="aws", autocompletion=lambda: ["aws"])] = None,
    region: options.Region = None,
    profile: options.Profile = None,
    subnet: Annotated[str | None, options.account("--subnet", takes="ID")] = None,
    policy: Annotated[bool, options.account("--policy")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Show what works here: runtimes, models, hub, Docker, AWS.

        offload doctor
        offload doctor aws --region eu-central-1

    With aws: credentials, region, quota, and which permissions are missing, of functions,
    fleets and batches those to look for them. Nothing is created.

    Parameters:
        what: Check what machines, functions, fleets and batches on AWS need.
        subnet: Subnet of the machine. [default: any of the default network]
        policy: Only print the least IAM policy that renting needs.
    """
    import json

    from offload import bootstrap
    from offload.domain.errors import UsageError
    from offload.drivers.aws import iam
    from offload.render import tables
    from offload.usecases import doctor
    from offload.usecases.batch import aws_parts
    from offload.usecases.provision import cloud_diagnosis, fleets, functions

    typed = any(is_typed(ctx, name) for name in ("region", "profile", "subnet", "policy"))
    if what != "aws" and (what is not None or typed):
        wrong = f"doctor takes aws, not {what!r}." if what else "Those options are for AWS."
        raise UsageError(wrong, hint="offload doctor aws")
    if policy:
        tables.print_lines(json.dumps(iam.policy(), indent=2).splitlines())
        return
    if what is None:
        tables.facts(doctor.facts(bootstrap.context().settings), as_json=as_json)
        return
    context = bootstrap.context()
    found, missing = cloud_diagnosis.facts(context, region, profile, subnet)
    if found["credentials"]:
        found["functions"] = functions.permissions(context, region, profile)
        found["fleets"] = fleets.permissions(context, region, profile)
        found["batches"] = aws_parts.permissions(region, profile)
    tables.facts(found, as_json=as_json)
    if missing is not None:
        raise missing


def trust() -> None:
    """Trust this folder's offload.toml until it is changed.

        offload trust

    Shows what it sets. A folder may come from anybody, so addresses, tokens, models, container
    images and data folders count in your own settings file only.
    """
    from offload.drivers import settings
    from offload.render import tables

    found = settings.trusted()
    sets = {settings.typed_as(key): setting.value for key, setting in found.items()}
    tables.facts(sets, as_json=False)


def examples(
    folder: Annotated[str, Argument(metavar="DIR")],
) -> None:
    """Write example pictures to a folder, and print their paths.

        offload examples pictures/

    Twelve are the project's own; more photos come from matplotlib and scikit-image where installed.
    Nothing is downloaded.

    Parameters:
        folder: Folder to write them to.
    """
    from offload.usecases import examples

    for path in examples.lay_out(folder):
        typer.echo(path)
