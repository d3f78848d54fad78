"""Options that several commands have."""

from typing import Annotated

import typer

MAX_PIXELS = 80_000_000
"""As `offload.drivers.pictures` has it, which no command may import before it runs."""

MACHINE = "main"
"""What a rented machine is called unless it is called something else."""

Labels = Annotated[
    str | None,
    typer.Option(help="File with the model's class names; the word coco for COCO's."),
]
MaxPixels = Annotated[int, typer.Option(min=1, help="Refuse larger pictures (width times height).")]
Workers = Annotated[
    int | None,
    typer.Option(min=1, max=1024, help="Detectors at work. [default: one per core]"),
]
Threads = Annotated[
    int | None,
    typer.Option(min=1, max=1024, help="Threads of each detector. [default: cores / workers]"),
]
Offline = Annotated[bool, typer.Option("--offline", help="Do not ask the model hub.")]
Region = Annotated[
    str | None, typer.Option(help="AWS region. [default: as AWS' own tools have it]")
]
Profile = Annotated[str | None, typer.Option(help="Profile of AWS' configuration.")]
Machine = Annotated[
    str | None, typer.Argument(metavar="NAME", help="Which machine. [default: the only one]")
]
Replicas = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=64,
        help="container: so many, of which each image goes to the least busy one. [default: 1]",
        show_default=False,
    ),
]
KeepAs = Annotated[
    str | None,
    typer.Option(hidden=True, help="container: like --keep, for runs that give the same name."),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Say nothing on standard error but errors.")
]
