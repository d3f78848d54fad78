"""The state folder, and this machine's processes and cgroups."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

STATE = Path(os.environ.get("FAKECLOUD_STATE", "/var/lib/fakecloud"))
CGROUPS = Path("/sys/fs/cgroup")
PERIOD_US = 20_000
"""Of the CPU limits: short, so that work of 0.3 s is slowed down evenly."""

Identity = Sequence[Any]
"""A process: its pid and its start time. The pid alone may be another's by now."""


def log(*words: object) -> None:
    print(time.strftime("%H:%M:%S"), *words, file=sys.stderr, flush=True)


def sh(*command: object, ok: Collection[int] | None = (0,), **options: Any) -> str:
    """What the command prints.

    Raises:
        RuntimeError: it ends with a status that is not `ok`; None takes any.
    """
    words = list(map(str, command))
    done: subprocess.CompletedProcess[str] = subprocess.run(
        words, text=True, capture_output=True, check=False, **options
    )
    if ok is not None and done.returncode not in ok:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def load(path: Path, default: Any = None) -> Any:
    """A JSON document, or `default` where there is none."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return default


def save(path: Path, document: object) -> None:
    """A JSON document that readers see whole."""
    temporary = Path(f"{path}.tmp")
    temporary.write_text(json.dumps(document))
    temporary.replace(path)


def born(pid: int) -> str | None:
    """A live process's start time in clock ticks; None for one that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return None if fields[0] == "Z" else fields[19]
    except (OSError, IndexError):
        return None


def identity(pid: int) -> Identity:
    return [pid, born(pid)]


def alive(process: Identity | None) -> bool:
    """Whether it runs still, and is not a later one with its pid."""
    pid, start = process or (0, None)
    return bool(start) and born(pid) == start


def end(process: Identity | None, number: int = signal.SIGKILL, patience_s: float = 15.0) -> None:
    """Send the signal to this process and no other, and wait until it is gone."""
    if process is None or not alive(process):
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(process[0], number)
    deadline = time.monotonic() + patience_s
    while alive(process) and time.monotonic() < deadline:
        time.sleep(0.02)


def make_cgroup(name: str) -> list[Path]:
    """The files to write a pid to, so that it joins the new cgroup `fakecloud/<name>`."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [_make_unified(CGROUPS / "fakecloud" / name)]
    files = []
    for controller in ("cpu", "memory"):
        if (CGROUPS / controller).is_dir():
            group = CGROUPS / controller / "fakecloud" / name
            group.mkdir(parents=True, exist_ok=True)
            files.append(group / "cgroup.procs")
    return files


def _make_unified(group: Path) -> Path:
    # Version 2 wants processes in leaves only: the limits are on the group, they are in its init.
    (group / "init").mkdir(parents=True, exist_ok=True)
    for folder in (CGROUPS, group.parent, group):
        for controller in ("cpu", "memory", "pids"):
            with contextlib.suppress(OSError):
                (folder / "cgroup.subtree_control").write_text(f"+{controller}")
    return group / "init" / "cgroup.procs"


def limit_cgroup(name: str, limits: Mapping[str, float]) -> None:
    """Set `cpus`, in cores, and `mem`, in MB; 0 is no limit."""
    quota = int(limits["cpus"] * PERIOD_US) or -1
    memory_bytes = int(limits["mem"] * 2**20) or -1
    unified, cpu, memory = (CGROUPS / below / "fakecloud" / name for below in ("", "cpu", "memory"))
    values = {
        unified / "cpu.max": f"{quota if quota > 0 else 'max'} {PERIOD_US}",
        unified / "memory.max": memory_bytes if memory_bytes > 0 else "max",
        cpu / "cpu.cfs_period_us": PERIOD_US,
        cpu / "cpu.cfs_quota_us": quota,
        memory / "memory.limit_in_bytes": memory_bytes,
    }
    for file, value in values.items():
        if file.exists():
            file.write_text(str(value))


def remove_cgroup(name: str) -> None:
    """Remove the cgroup and those below it, but for any that still hold a process."""
    for top in [CGROUPS / "fakecloud" / name, *CGROUPS.glob(f"*/fakecloud/{name}")]:
        for folder, _, _ in os.walk(top, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
