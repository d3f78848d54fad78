"""Parse, call one use case, render. The one place that turns an error into an exit code.

Commands import what they need when they run, so that `--help` imports nothing heavy.
"""

import sys
import warnings
from io import TextIOWrapper

import offload.cli.process  # noqa: F401 - notes when this process began


def main() -> None:
    """The `offload` command."""
    from offload.cli.commands import app
    from offload.domain.errors import OffloadError

    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # libraries talk to programmers; -W brings them back
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except OffloadError as error:
        from offload.domain.events import failed
        from offload.render import messages

        messages.chosen().hear(failed(error))
        sys.exit(error.exit_code)
