"""`offload serve`."""

from functools import partial
from typing import Annotated, Literal

import typer

from offload.cli import consent
from offload.cli.parsing import options

_address = options.panel("Address")
_log = options.panel("Access log")


def serve(
    ctx: typer.Context,
    host: Annotated[str, _address("--host", takes="ADDRESS")] = "127.0.0.1",
    port: Annotated[int, _address("--port", takes="N", min=0, max=65535)] = 8080,
    token: Annotated[str | None, _address("--token", takes="TEXT")] = None,
    via: Annotated[str | None, options.place("--via", takes="PLACE")] = None,
    model: options.Model = None,
    labels: options.Labels = None,
    workers: options.Workers = None,
    threads: options.Threads = None,
    access_log: Annotated[bool, _log("--access-log/--no-access-log")] = False,
    log_format: Annotated[Literal["text", "json"], _log("--log-format")] = "text",
    queue: Annotated[int, options.rare("--queue", takes="N", min=0)] = 256,
    max_bytes: Annotated[int, options.rare("--max-bytes", takes="BYTES", min=1)] = 32 * 2**20,
    max_pixels: options.MaxPixels = options.MAX_PIXELS,
    max_requests_per_connection: Annotated[
        int | None,
        options.rare("--max-requests-per-connection", takes="N", min=1),
    ] = None,
    yes: consent.Yes = False,
    offline: options.Offline = False,
    quiet: options.Quiet = False,
) -> None:
    """Serve: detect objects in images that other computers send.

        offload serve --host 0.0.0.0

    Prints the command for the other computer. On Ctrl-C or SIGTERM /readyz turns 503, clients that
    still send are answered and their connections closed for up to 3 s, then it takes no more
    requests, finishes those in progress, and ends with exit code 0.

    Parameters:
        host: Address to listen on; 0.0.0.0 lets other computers in, with the token.
        port: Port to listen on; 0 for any free one.
        token: Token that clients must send. Prefer the variable: others on this machine can read
            command lines. [default: a new one where others can connect] [env: OFFLOAD_TOKEN]
        via: Ask this place for each image instead of detecting here: fleet.
        access_log: A line on standard error for each request.
        log_format: Format of the access log.
        queue: Requests that may wait for a detector; more get 429.
        max_bytes: Refuse larger requests.
        max_requests_per_connection: Close a connection after so many requests: where a load
            balancer shares out connections, as a Kubernetes Service does, its client then gets
            another server. [default: no limit]
    """
    from offload import bootstrap
    from offload.domain.events import Downloaded
    from offload.render import access, messages, progress
    from offload.usecases import serve

    say = messages.Messages(quiet=quiet)
    typed = (
        options.for_places(ctx, serve.Options, [via]) if via else options.fields(ctx, serve.Options)
    )
    wanted = serve.Options(**typed)
    consent.to_rented([via] if via else [], yes=yes)
    opens = consent.typed_again("--host", "0.0.0.0")  # noqa: S104 - what to type
    with progress.transfer(Downloaded, quiet) as bar:
        listeners = say.hear, bar, access.log(log_format)
        context = bootstrap.context(*listeners, offline=offline)
        serve.run(wanted, context, partial(say.serving, opens))
