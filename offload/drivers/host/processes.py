"""Programs that we start, and that end when we do."""

import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

_GRACE_S = 15.0
"""How long an interrupted program may take to leave things as it found them."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A program's exit code and its lines on standard error."""

    code: int
    said: tuple[str, ...]


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    follow: Callable[[str], None] = lambda _line: None,
) -> Ended:
    """Run a program to its end; `follow` is told each of its lines on standard error at once.

    Ctrl-C is ours alone; where it ends us, the program is interrupted too, and waited for.
    """
    with (
        subprocess.Popen(  # noqa: S603 - the command is our own
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
            start_new_session=True,
        ) as process,
        ExitStack() as stack,
    ):
        assert process.stderr is not None
        stack.callback(_end, process)
        said: list[str] = []
        for line in process.stderr:
            said.append(line.rstrip("\n"))
            follow(said[-1])
        code = process.wait()
        stack.pop_all()
        return Ended(code, tuple(said))


def _end(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
