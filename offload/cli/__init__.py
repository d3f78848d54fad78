"""Parse, call one use case, render. The one place that turns an error into an exit code.

Commands import what they need when they run, so that `--help` imports nothing heavy.
"""

import sys
import warnings
from io import TextIOWrapper

from offload.cli.process import (  # notes when it began, too
    INTERRUPTED,
    end_without_reader,
    interrupting,
)


def main() -> None:
    """The `offload` command."""
    from offload.drivers.host import descriptors

    descriptors.open_standard()
    descriptors.allow_many()
    from offload.cli.parsing import usage

    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # libraries talk to programmers; -W brings them back
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        with interrupting():
            from offload.cli.commands import app

            sys.exit(usage.exit_code(app))
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):
            end_without_reader()
        raise
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except ImportError as error:
        if isinstance(error.__cause__, KeyboardInterrupt):  # Ctrl-C while a C module was loaded
            sys.exit(INTERRUPTED)
        raise
