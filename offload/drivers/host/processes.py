"""Programs that we start, and that end when we do."""

import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence

_GRACE_S = 15.0
"""How long an interrupted program may take to leave things as it found them."""


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    follow: Callable[[str], None] = lambda _line: None,
) -> tuple[int, str]:
    """Run a program to its end: its exit code and its last line on standard error, each of which
    `follow` is told at once.

    Ctrl-C is ours alone; where it ends us, the program is interrupted too, and waited for.
    """
    with subprocess.Popen(  # noqa: S603 - the command is our own
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="backslashreplace",
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        said = "no output"
        try:
            for line in process.stderr:
                said = line.rstrip("\n")
                follow(said)
            return process.wait(), said
        finally:
            if process.poll() is None:  # we are ended, not it
                process.send_signal(signal.SIGINT)
                try:
                    process.communicate(timeout=_GRACE_S)
                except subprocess.TimeoutExpired:
                    process.kill()
