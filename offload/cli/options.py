"""Options that several commands have."""

import dataclasses
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer import Argument, Option

from offload.domain import units
from offload.domain.errors import UsageError

MAX_PIXELS = 80_000_000
"""As `offload.drivers.images.pictures` has it, which no command may import before it runs."""


def fields(context: typer.Context, kind: type[Any], *besides: str) -> dict[str, Any]:
    """What was typed, by the fields of `kind` that the command's parameters are called like, but
    for some of them. What may be given several times is a tuple.
    """
    names = {field.name for field in dataclasses.fields(kind)} - {*besides}
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in context.params.items()
        if name in names and value is not None
    }


def names(*texts: str) -> tuple[str, ...]:
    """Those in texts with commas between them, each once."""
    found = (name.strip() for text in texts for name in text.split(","))
    return tuple(dict.fromkeys(name for name in found if name))


def quantity(
    option: str, parse: Callable[..., float], metavar: str, text: str, **limits: bool
) -> Any:
    """An option that is typed as a quantity, shown as `metavar`, and comes as a number, as its
    default is one. `text` is its help, which names the default, as it would be typed.
    """

    def parsed(typed: Any) -> float:
        return parse(typed, option=option, **limits) if isinstance(typed, str) else float(typed)

    return Option(option, parser=parsed, metavar=metavar, help=text, show_default=False)


def dollars(option: str, text: str) -> Any:
    """An option that is typed as dollars."""
    return quantity(option, units.usd, "USD", text)


def duration(option: str, text: str, **limits: bool) -> Any:
    """An option that is typed as a duration and comes as seconds."""
    return quantity(option, units.duration_s, "TIME", text, **limits)


def levels(
    option: str,
    metavar: str,
    text: str,
    kind: Callable[[str], float | None] = int,
    least: float = 1,
    most: float = 1_000_000,
) -> Any:
    """An option that is typed as numbers with commas between; comes as a tuple, each once."""

    def parsed(typed: str) -> tuple[float | None, ...]:
        try:
            values = tuple(dict.fromkeys(kind(word) for word in typed.split(",")))
        except ValueError as error:
            wrong = f"{option} takes numbers, such as 1,2,5, not {typed!r}."
            raise UsageError(wrong) from error
        if any(value is not None and not least <= value <= most for value in values):
            raise UsageError(f"{option} takes numbers from {least} to {most}, not {typed!r}.")
        return values

    return Option(option, parser=parsed, metavar=metavar, help=text)


AsJson = Annotated[bool, Option("--json", help="JSON instead of a table.")]
Sources = Annotated[list[str], Argument(metavar="SOURCE", help="Images, as for offload detect.")]
Out = Annotated[
    str | None,
    Option(
        "--out",
        "-o",
        metavar="DIR",
        help="The folder for results; if it holds some of the same job, go on where they end.",
    ),
]
Model = Annotated[str | None, Option("--model", "-m", help="As for offload detect.")]
Labels = Annotated[
    str | None, Option(help="File with the model's class names; the word coco for COCO's.")
]
MaxPixels = Annotated[int, Option(min=1, help="Refuse larger pictures (width times height).")]
Workers = Annotated[
    int | None, Option(min=1, max=1024, help="Detectors at work. [default: one per core]")
]
Threads = Annotated[
    int | None, Option(min=1, max=1024, help="Threads of each detector. [default: cores / workers]")
]
Offline = Annotated[bool, Option("--offline", help="Do not ask the model hub.")]
Region = Annotated[str | None, Option(help="AWS region. [default: as AWS' own tools have it]")]
Profile = Annotated[str | None, Option(help="Profile of AWS' configuration.")]
Machine = Annotated[
    str | None, Argument(metavar="NAME", help="Which machine. [default: the only one]")
]
Replicas = Annotated[
    int | None,
    Option(
        min=1,
        max=64,
        help="container: so many, of which each image goes to the least busy one. [default: 1]",
    ),
]
KeepAs = Annotated[
    str | None,
    Option(hidden=True, help="container: like --keep, for runs that give the same name."),
]
Quiet = Annotated[bool, Option("--quiet", "-q", help="Say nothing on standard error but errors.")]
Recursive = Annotated[bool, Option("--recursive", "-r", help="Look into the folders' folders too.")]
Url = Annotated[str | None, Option(help="remote: the server's address. [default: the setting url]")]
Token = Annotated[
    str | None, Option(help="remote: what the server wants to know. Better given as OFFLOAD_TOKEN.")
]
MachineName = Annotated[
    str | None,
    Option(metavar="NAME", help="remote: the rented machine. [default: the only one, if no --url]"),
]
Concurrency = Annotated[
    int | None,
    Option(
        min=1,
        max=1024,
        help="remote, container, lambda: requests in flight. [default: enough to hide the "
        "latency; of lambda 10]",
    ),
]
TimeoutS = Annotated[
    float, Option("--timeout", min=0.1, help="remote, container, lambda: seconds without progress.")
]
UploadQuality = Annotated[int, Option(min=1, max=100, help="JPEG quality of those copies.")]
StripMetadata = Annotated[
    bool,
    Option(
        "--strip-metadata",
        help="remote, container, lambda: send pictures without location and other metadata.",
    ),
]
ContainerImage = Annotated[
    str | None, Option(help="container: the image. [default: offload, built if it is not there]")
]
Cpus = Annotated[float | None, Option(min=0.01, help="container: cores it may use at most.")]
Memory = Annotated[str | None, Option(metavar="SIZE", help="container: its limit, such as 512m.")]
Verbose = Annotated[bool, Option("--verbose", "-v", help="Say more on standard error.")]
