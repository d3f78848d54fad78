"""Options that several commands have, and the panels of `--help` that show them.

Parameters:
    AsJson: JSON instead of text.
    Sources: Images, as for offload detect.
    Recursive: Look into subfolders too.
    Where: local: in this process. container: on this machine. remote: at a server or a rented
        machine. split: local and another together. auto: what offload advise would choose; remote
        only if a server is named or a machine rented.
    Places: Places, separated by commas.
    Out: Folder for results; one that holds part of the same job is continued.
    Model: A name (offload models list), .tflite or .onnx file, SavedModel, hub handle or URL.
        [default: efficientdet-lite0 if it is here or the hub answers within 3 s, else builtin]
        [env: OFFLOAD_MODEL]
    ModelMeasured: The model. [default: that of offload detect] [env: OFFLOAD_MODEL]
    ModelOfTable: CSV: the model of those jobs. [default: imported]
    Labels: File of class names, one per line; or coco for COCO's. [env: OFFLOAD_LABELS]
    MaxPixels: Refuse larger pictures (width times height).
    Workers: Detectors in parallel. [default: one per core] [env: OFFLOAD_WORKERS]
    Threads: Threads per detector. [default: cores / workers] [env: OFFLOAD_THREADS]
    Offline: Do not ask the model hub. [env: OFFLOAD_OFFLINE]
    Region: AWS region. [default: that of the AWS CLI]
    Profile: AWS profile, from ~/.aws/config; not the command offload profile. [default: that of the
        AWS CLI]
    Machine: Which machine. [default: the only one]
    Replicas: Number of containers; each image goes to the least busy. [default: 1]
    KeepAs: container: like --keep, for runs that give the same name.
    Url: The server's address, http://HOST:PORT. [env: OFFLOAD_URL]
    Token: The server's token. Prefer the variable: others on this machine can read command lines.
        [env: OFFLOAD_TOKEN]
    MachineName: The rented machine. [default: the only one, if no --url]
    Concurrency: Requests in flight. [default: enough to hide the latency]
    TimeoutS: Time-out: seconds without progress.
    UploadQuality: JPEG quality of those copies.
    StripMetadata: Send pictures without location and other metadata.
    ContainerImage: The container image. [default: offload's own, built if missing]
    Cpus: Core limit of each container.
    Memory: Memory limit of each container, such as 512m.
    Quiet: Print only errors on standard error.
    Verbose: Print more on standard error.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from typer import Argument, Option

from offload import places
from offload.cli.parsing import complete, configured
from offload.cli.parsing.pages import explained
from offload.domain import units
from offload.domain.errors import UsageError
from offload.domain.places import AUTO, SPLIT

MAX_PIXELS = 80_000_000
"""As `offload.drivers.images.pictures` has it, which no command may import before it runs."""


def panel(title: str | None) -> Callable[..., Any]:
    """What makes options of that panel of `--help`; None is the last one, of what is rarely used.
    An option is its names, and what it takes unless it is a switch; the command's docstring has its
    help.
    """

    def option(named: str, takes: str | None = None, **more: Any) -> Any:
        return Option(*named.split(), metavar=takes, rich_help_panel=title, **more)

    return option


detection = panel("What to detect")
place = panel("Where to run")
limit = panel("Limits")
result = panel("Results")
server = panel("Server (remote)")
container = panel("Containers")
sending = panel("Sending images (remote, container)")
speed = panel("Speed")
account = panel("AWS account")
rare = panel(None)


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


def for_places(
    context: typer.Context, kind: type[Any], places: Sequence[str], *besides: str
) -> dict[str, Any]:
    """`fields` of a request, without settings that would do nothing at any of the places."""
    from offload.usecases.detect.request import fitting

    loose = {name for name in context.params if configured.is_set(context, name)}
    return fitting(places, fields(context, kind, *besides), loose)


def names(*texts: str) -> tuple[str, ...]:
    """Those in texts with commas between them, each once."""
    found = (name.strip() for text in texts for name in text.split(","))
    return tuple(dict.fromkeys(name for name in found if name))


def quantity(
    option: str,
    parse: Callable[..., float],
    metavar: str,
    kind: Callable[..., Any] = rare,
    **limits: bool,
) -> Any:
    """An option that is typed as a quantity, shown as `metavar`, and comes as a number, as its
    default is one. Its help names the default, as it would be typed.
    """

    def parsed(typed: Any) -> float:
        return parse(typed, option=option, **limits) if isinstance(typed, str) else float(typed)

    return kind(option, metavar, parser=parsed, show_default=False)


def how_many(kind: Callable[..., Any], option: str, most: int = 1024) -> Any:
    """An option that is how many of something, one at least."""
    return kind(option, "N", min=1, max=most)


def dollars(option: str, kind: Callable[..., Any] = rare) -> Any:
    """An option that is typed as dollars."""
    return quantity(option, units.usd, "USD", kind)


def duration(option: str, kind: Callable[..., Any] = rare, **limits: bool) -> Any:
    """An option that is typed as a duration and comes as seconds."""
    return quantity(option, units.duration_s, "TIME", kind, **limits)


def levels(
    option: str,
    metavar: str,
    kind: Callable[..., Any],
    number: Callable[[str], float | None] = int,
    least: float = 1,
    most: float = 1_000_000,
) -> Any:
    """An option that is typed as numbers with commas between; comes as a tuple, each once."""

    def parsed(typed: str) -> tuple[float | None, ...]:
        try:
            values = tuple(dict.fromkeys(number(word) for word in typed.split(",")))
        except ValueError as error:
            wrong = f"{option} takes numbers, such as 1,2,5, not {typed!r}."
            raise UsageError(wrong) from error
        if any(value is not None and not least <= value <= most for value in values):
            raise UsageError(f"{option} takes numbers from {least} to {most}, not {typed!r}.")
        return values

    return kind(option, takes=metavar, parser=parsed)


AsJson = Annotated[bool, result("--json")]
Sources = Annotated[list[str], Argument(metavar="SOURCE")]
Recursive = Annotated[bool, detection("--recursive -r")]
Where = Annotated[
    str,
    place(
        "--where",
        takes=f"[{'|'.join([*places.OWN, SPLIT, AUTO])}]",
        autocompletion=complete.ways,
    ),
]
Places = Annotated[
    str,
    place(
        "--where",
        takes=f"[{'|'.join(places.OWN)}],…",
        autocompletion=complete.several(complete.places.names),
    ),
]
Out = Annotated[str | None, result("--out -o", takes="DIR")]
_NAMED = {"takes": "MODEL", "autocompletion": complete.models, "show_default": False}
_MODEL = "--model -m"
Model = Annotated[str | None, detection(_MODEL, **_NAMED)]
ModelMeasured = Annotated[str | None, detection(_MODEL, **_NAMED)]
ModelOfTable = Annotated[str, detection(_MODEL, **_NAMED)]
Labels = Annotated[str | None, detection("--labels", takes="FILE", autocompletion=lambda: ["coco"])]
MaxPixels = Annotated[int, rare("--max-pixels", takes="N", min=1)]
Workers = Annotated[int | None, how_many(speed, "--workers")]
Threads = Annotated[int | None, how_many(speed, "--threads")]
Offline = Annotated[bool, rare("--offline")]
Region = Annotated[str | None, account("--region", takes="REGION")]
Profile = Annotated[str | None, account("--profile", takes="NAME")]
Machine = Annotated[str | None, Argument(metavar="NAME", autocompletion=complete.machines)]
Replicas = Annotated[int | None, how_many(container, "--replicas", most=64)]
KeepAs = Annotated[str | None, Option(hidden=True)]
Url = Annotated[str | None, server("--url", takes="URL")]
Token = Annotated[str | None, server("--token", takes="TEXT")]
MachineName = Annotated[
    str | None, server("--machine", takes="NAME", autocompletion=complete.machines)
]
Concurrency = Annotated[int | None, how_many(sending, "--concurrency")]
TimeoutS = Annotated[float, sending("--timeout", takes="SECONDS", min=0.1)]
UploadQuality = Annotated[int, sending("--upload-quality", takes="N", min=1, max=100)]
StripMetadata = Annotated[bool, sending("--strip-metadata")]
ContainerImage = Annotated[str | None, container("--container-image", takes="NAME")]
Cpus = Annotated[float | None, container("--cpus", takes="CORES", min=0.01)]
Memory = Annotated[str | None, container("--memory", takes="SIZE")]
Quiet = Annotated[bool, rare("--quiet -q")]
Verbose = Annotated[bool, rare("--verbose -v")]

explained(__doc__ or "", globals())  # python -OO has no docstrings
