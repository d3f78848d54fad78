"""The file descriptors of this process: standard streams that are open, and room for many more."""

import os
import resource
import sys
from contextlib import suppress

_FILES = 32


def open_standard() -> None:
    """Have what is closed of standard input, output and error be /dev/null: else the next file that
    is opened takes its number, and with it what is written there.
    """
    for number, (name, mode) in enumerate({"stdin": "r", "stdout": "w", "stderr": "w"}.items()):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest that is free
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 - for good


def allow_many() -> None:
    """Let this process have as many files and connections open as the system permits it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # where no limit is named, there may still be one
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def spare_files() -> int:
    """How many more connections this process may have open, some files aside."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError):
        return max(1, (sys.maxsize if soft < 0 else soft) - len(os.listdir("/dev/fd")) - _FILES)
    return 1
