import os
import signal
import subprocess
import sys

import pytest

from offload.drivers.host import processes


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_program_runs_to_its_end_and_what_it_says_is_told_at_once() -> None:
    code = "import sys; print('one', file=sys.stderr); print('no'); print('two', file=sys.stderr)"
    heard: list[str] = []
    ended = processes.run(python(f"{code}; sys.exit(3)"), os.environ, heard.append)
    assert ended == (3, "two")
    assert heard == ["one", "two"]


def test_it_gets_the_environment_and_no_input() -> None:
    code = "import os, sys; print(os.environ['X'] + sys.stdin.read(), file=sys.stderr)"
    assert processes.run(python(code), {**os.environ, "X": "y"}) == (0, "y")


SLEEPER = """
import sys, time
try:
    print("up", file=sys.stderr, flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("down", file=sys.stderr, flush=True)
    open(sys.argv[1], "w").write("taken down")
"""


def test_what_ends_us_interrupts_it_and_it_may_take_things_down(tmp_path: object) -> None:
    def interrupt(line: str) -> None:
        assert line == "up"
        raise KeyboardInterrupt

    file = f"{tmp_path}/said"
    with pytest.raises(KeyboardInterrupt):
        processes.run([*python(SLEEPER), file], os.environ, interrupt)
    with open(file, encoding="utf-8") as said:
        assert said.read() == "taken down"


def test_one_that_does_not_listen_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_GRACE_S", 0.1)
    code = (
        "import os, signal, sys, time; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "print(os.getpid(), file=sys.stderr, flush=True); time.sleep(60)"
    )
    numbers: list[int] = []

    def interrupt(line: str) -> None:
        numbers.append(int(line))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        processes.run(python(code), os.environ, interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(numbers[0], 0)


def test_a_terminals_interrupt_does_not_reach_it() -> None:
    code = f"""
import os, signal, sys
sys.path.insert(0, {os.getcwd()!r})
from offload.drivers.host import processes
signal.signal(signal.SIGINT, lambda *_: print("heard", flush=True))
sleep = "import sys, time; print('up', file=sys.stderr, flush=True); time.sleep(1)"
tell = lambda line: print(line, flush=True)
print(processes.run([sys.executable, "-c", sleep], os.environ, tell))
"""
    with subprocess.Popen(
        python(code), stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as us:
        assert us.stdout is not None
        assert us.stdout.readline() == "up\n"
        os.killpg(us.pid, signal.SIGINT)
        assert us.stdout.read() == "heard\n(0, 'up')\n"
