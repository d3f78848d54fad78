"""`offload serve`."""

from typing import Annotated

import typer
from typer import Option

from offload.cli import options


def serve(
    ctx: typer.Context,
    host: Annotated[
        str, Option(help="Address to listen on; others than this machine's need a token.")
    ] = "127.0.0.1",
    port: Annotated[int, Option(min=0, max=65535, help="0 takes a free one.")] = 8080,
    model: options.Model = None,
    labels: options.Labels = None,
    workers: options.Workers = None,
    threads: options.Threads = None,
    queue: Annotated[
        int, Option(min=0, help="Requests that may wait for a detector; more get 429.")
    ] = 256,
    max_bytes: Annotated[int, Option(min=1, help="Refuse larger requests.")] = 32 * 2**20,
    max_pixels: options.MaxPixels = options.MAX_PIXELS,
    token: Annotated[
        str | None,
        Option(
            help="What clients must know. Better given as OFFLOAD_TOKEN: other users of this "
            "machine can read command lines."
        ),
    ] = None,
    offline: options.Offline = False,
    quiet: options.Quiet = False,
) -> None:
    """Make this machine a place: serve a detector over HTTP until Ctrl-C or SIGTERM.

    Then it takes no more requests, finishes what it holds, and ends with exit code 0.
    """
    from offload import bootstrap
    from offload.domain.events import Downloaded
    from offload.render import messages, progress
    from offload.usecases import serve

    say = messages.Messages(quiet=quiet)
    wanted = serve.Options(**options.fields(ctx, serve.Options))
    with progress.transfer(Downloaded, quiet) as bar:
        serve.run(wanted, bootstrap.context(say.hear, bar, offline=offline), say.serving)
