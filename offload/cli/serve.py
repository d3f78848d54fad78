"""`offload serve`."""

from typing import Annotated

import typer


def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than this machine's need a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8080,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="As for offload detect."),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(help="File with the model's class names; the word coco for COCO's."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Detectors at work. [default: one per core]"),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Threads of each detector. [default: cores / workers]"),
    ] = None,
    queue: Annotated[
        int, typer.Option(min=0, help="Requests that may wait for a detector; more get 429.")
    ] = 64,
    max_bytes: Annotated[int, typer.Option(min=1, help="Refuse larger requests.")] = 32 * 2**20,
    max_pixels: Annotated[
        int, typer.Option(min=1, help="Refuse larger pictures (width times height).")
    ] = 80_000_000,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="OFFLOAD_TOKEN",
            show_envvar=False,
            help="What clients must know. Better given as OFFLOAD_TOKEN: other users of this "
            "machine can read command lines.",
        ),
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask the model hub.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say nothing on standard error but errors.")
    ] = False,
) -> None:
    """Make this machine a place: serve a detector over HTTP until Ctrl-C or SIGTERM.

    Then it takes no more requests, finishes what it holds, and ends with exit code 0.
    """
    from offload.render import messages, progress
    from offload.wiring import configuration, serving

    say = messages.Messages(quiet=quiet)
    configured = configuration.load()
    options = serving.Options(
        host=host,
        port=port,
        model=model,
        labels=labels,
        workers=workers,
        threads=threads,
        queue=queue,
        max_bytes=max_bytes,
        max_pixels=max_pixels,
        token=token,
    )
    with progress.download(quiet) as on_bytes:
        hub = configuration.hub(configured, on_bytes, say.warn, offline=offline)
        serving.run(options, hub, configured, say.serving)
