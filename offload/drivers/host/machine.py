"""This computer: what it is, how much of it is ours to use, and the network it is in."""

import datetime
import getpass
import glob
import hashlib
import ipaddress
import os
import platform
import re
import socket
import sys
import threading
import time
from contextlib import suppress
from importlib import metadata

from offload.domain.results import Json
from offload.version import __version__

_LIBRARIES = ("ai-edge-litert", "tensorflow", "tensorflow-hub", "numpy", "pillow", "httpx")
_NICENESS = 19
"""The most there is: such a thread has a core that nobody else wants."""
_ROUTES, _NEIGHBOURS = "/proc/net/route", "/proc/net/arp"
_DEFAULT, _UP_AND_GATEWAY = "00000000", 3
_share: list[int | None] = [None]
_FAR = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
"""Nobody's addresses (RFC 5737, RFC 3849), to which the default route leads."""


def now() -> str:
    """This moment: UTC in ISO 8601."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def describe() -> Json:
    """The machine we run on, as far as a measurement depends on it and the system tells."""
    return {
        "name": platform.node(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count() or 1,
        "usable_cores": usable_cores(),
        "memory_bytes": _memory_bytes(),
    }


def owner() -> str:
    """Who uses this computer and what it is called, as a machine may be called: `ana-laptop`."""
    user = ""
    with suppress(OSError, KeyError, ImportError):  # a user without a name; Windows
        user = getpass.getuser()
    words = f"{user} {platform.node().partition('.')[0]}".lower()
    return "-".join(re.findall("[a-z0-9]+", words))[:40].rstrip("-") or "main"


def versions() -> dict[str, str]:
    """Ours, and those of the libraries that are installed."""
    found = {"offload": __version__}
    for name in _LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def usable_memory_bytes() -> int | None:
    """Memory this process may use: the machine's, capped by a container's limit; None where the
    system does not tell.
    """
    limits = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
    known = [int(word) for path in limits for word in _words(path) if word.isdecimal()]
    return min([*known, *filter(None, [_memory_bytes()])], default=None)


def usable_cores() -> int:
    """Cores this process may use: its affinity mask, capped by a container's CPU quota, and by its
    share.
    """
    on_linux = sys.platform == "linux"
    cores = len(os.sched_getaffinity(0)) if on_linux else os.cpu_count() or 1
    limits = filter(None, (_quota_cores(), _share[0]))
    return max(1, int(min([cores, *limits])))


def share_cores(cores: int | None) -> None:
    """Use no more from now on: others of this machine have the rest."""
    _share[0] = cores


def load() -> float | None:
    """How many other programs wanted a core at a time over the last minute, no more than do now;
    None where nobody counts.
    """
    try:
        average = os.getloadavg()[0]
    except (OSError, AttributeError):
        return None
    # "0.20 0.18 0.12 1/80 11206": one of 80 runs now, which is the one that asks.
    words = _words("/proc/loadavg")
    return min(average, int(words[3].partition("/")[0]) - 1) if words else average


def cpu_s() -> tuple[float, float] | None:
    """Seconds that all cores together have been busy, and that they have been, since the start of
    the system; None where nobody counts.
    """
    # user, nice, system, idle, iowait, irq, softirq, steal
    ticks = [float(word) for word in _words("/proc/stat")[1:9]]
    if not ticks:
        return None
    per_s = os.sysconf("SC_CLK_TCK")
    return (sum(ticks) - ticks[3] - ticks[4]) / per_s, sum(ticks) / per_s


def process_age_s() -> float:
    """Seconds since this process was started; 0 where the system does not tell."""
    # After the program's name, which may hold anything, the 20th word.
    words = _text("/proc/self/stat").rpartition(")")[2].split()
    if not words:
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(words[19]) / os.sysconf("SC_CLK_TCK")


def burstable() -> str | None:
    """The kind of a rented machine whose full speed lasts only as long as its credits."""
    kind = _text("/sys/class/dmi/id/product_name").strip()
    rented = _text("/sys/class/dmi/id/sys_vendor").strip() == "Amazon EC2"
    return kind if rented and kind.startswith(("t2.", "t3.", "t3a.", "t4g.")) else None


def on_battery() -> bool:
    """Whether a battery is being emptied, which slows most machines down."""
    states = glob.glob("/sys/class/power_supply/*/status")
    return any(_words(state) == ["Discharging"] for state in states)


def network() -> str | None:
    """16 hexadecimal digits that stand for the default gateway, by its addresses on the network and
    on the wire; None where the system does not tell.
    """
    gateways = [
        (int(metric), address)
        for _, destination, address, flags, _, _, metric, *_ in _table(_ROUTES)
        if destination == _DEFAULT and int(flags, 16) & _UP_AND_GATEWAY == _UP_AND_GATEWAY
    ]
    if not gateways:
        return None
    # The kernel prints the address as a number of the machine's own byte order.
    number = int(min(gateways)[1], 16)
    gateway = str(ipaddress.IPv4Address(number.to_bytes(4, sys.byteorder)))
    for address, _, _, on_the_wire, *_ in _table(_NEIGHBOURS):
        if address == gateway:
            return hashlib.sha256(f"{gateway} {on_the_wire}".encode()).hexdigest()[:16]
    return None


def outward_address(family: socket.AddressFamily) -> str:
    """The address that others know this computer by: that of the default route, or its name where
    there is none. Nothing is sent.
    """
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((_FAR[family], 9))
        return str(probe.getsockname()[0])
    return platform.node()


def is_own(host: str) -> bool:
    """Whether an address, or a name that needs no asking, is one of this computer."""
    try:
        is_v4 = isinstance(ipaddress.ip_address(host), ipaddress.IPv4Address)
    except ValueError:
        return host.lower() in {"localhost", platform.node().lower()}
    family = socket.AF_INET if is_v4 else socket.AF_INET6
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((host, 0))  # which only an address of one's own allows
        return True
    return False


def _table(path: str) -> list[list[str]]:
    """A table of the kernel's without its heading, in columns."""
    return [line.split() for line in _text(path).splitlines()[1:]]


def _quota_cores() -> float | None:
    """The control group's CPU limit in cores, version 2 or 1; None where there is none."""
    v2 = _words("/sys/fs/cgroup/cpu.max")
    if len(v2) > 1 and v2[0] != "max":
        return float(v2[0]) / float(v2[1])
    quota = _words("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
    period = _words("/sys/fs/cgroup/cpu/cpu.cfs_period_us")
    if quota and period and float(quota[0]) > 0:
        return float(quota[0]) / float(period[0])
    return None


def _cpu_model() -> str:
    found = re.search(r"^model name\s*:(.*)$", _text("/proc/cpuinfo"), re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


def _memory_bytes() -> int | None:
    with suppress(ValueError, OSError, AttributeError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _words(path: str) -> list[str]:
    return _text(path).split()


def _text(path: str) -> str:
    with suppress(OSError), open(path, encoding="utf-8") as file:
        return file.read()
    return ""


def lower_thread_priority() -> None:
    """Have this thread wait where another of ours wants its core; on Linux, else nothing."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
