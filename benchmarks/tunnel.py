"""What SSH costs: the same uploads through a tunnel and over plain HTTP, on the same link.

    sudo tests/testbed/up
    python benchmarks/tunnel.py [--rates 20,100] [--rtt 20] [--pairs 5] [--size-kb 1000]
    sudo python benchmarks/tunnel.py --near [--rates 1000]

A rented host of the test bed serves our image behind a link of each rate (Mbit/s). Its link copies
every packet in Python, which is not enough for 1000 Mbit/s: `--near` puts sshd and the server into
a network namespace instead, behind a cable without latency that the kernel shapes.

Bodies of random bytes go to where a link is measured, which takes them and does nothing else, as
many at a time as `--at-once` says. Each pair is a measurement of either way, and every second pair
begins with the other one. Printed: goodput of the tunnel over that of plain HTTP, the median of the
pairs and their range, and the CPU seconds of this process for each GB. Client, link and server
share this machine's cores.
"""

import argparse
import ctypes
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from offload.drivers.http.connections import Server
from offload.drivers.ssh.connection import Shell
from offload.drivers.ssh.login import new_key
from offload.drivers.ssh.tunnel import Tunnel
from offload.service import wire
from offload.service.client.turns import Pieces
from tests.remote.served import served
from tests.ssh import sshd
from tests.testbed import lab

PLAIN, TUNNEL = "plain", "tunnel"
FEWEST_BODIES = 20
NAMESPACE, DEVICE = "offload-bench", "offload-bench"
HERE, THERE = "198.19.255.1", "198.19.255.2"  # nobody's (RFC 2544)
TOKEN = os.urandom(16).hex()


@dataclass(frozen=True)
class Measured:
    """Goodput in bytes per second, and CPU seconds per byte of this process."""

    goodput_bytes_per_s: float
    cpu_s_per_byte: float


def main() -> None:
    """Measure and print."""
    options = _options()
    rates = [float(rate) for rate in options.rates.split(",")]
    with ExitStack() as stack:
        if options.near:
            servers, shape = stack.enter_context(_near()), _shape_cable
        else:
            host = stack.enter_context(lab.serving_host("offload", [], {}))
            servers = stack.enter_context(_far(host))
            shape = partial(host.shape, rtt_ms=options.rtt)
        for rate in rates:
            shape(rate)
            _compare(rate, servers, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Uploads through SSH over plain ones.")
    parser.add_argument("--rates", default="20,100", help="Mbit/s")
    parser.add_argument("--rtt", type=float, default=20, help="round trip in ms")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="of each measurement, about")
    parser.add_argument("--size-kb", type=float, default=1000, help="kB of one body")
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--near", action="store_true", help="in a namespace of this machine")
    return parser.parse_args()


@contextmanager
def _far(host: lab.Host) -> Iterator[dict[str, Server]]:
    """Both ways to the server of a rented host."""
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        key = new_key()
        (scratch / "key.pub").write_text(f"{key.public}\n")
        with (scratch / "key.pub").open() as public:
            host.ssh("cat >>.ssh/authorized_keys", public.fileno())
        shown = host.ssh("cat /etc/ssh/ssh_host_ed25519_key.pub").split()
        (scratch / "known_hosts").write_text(f"{sshd.ALIAS} {' '.join(shown[:2])}\n")
        private, known = sshd.saved(key, scratch / "key"), str(scratch / "known_hosts")

        def connect(timeout_s: float) -> Shell:
            address = (host.address, 22)
            return Shell.connected(*address, "ec2-user", private, known, sshd.ALIAS, timeout_s)

        tunnel = Tunnel(connect, lab.PORT, lambda: None)
        stack.enter_context(closing(tunnel))
        yield stack.enter_context(_servers(host.url, host.token, tunnel))


@contextmanager
def _near() -> Iterator[dict[str, Server]]:
    """Both ways to a server in a namespace behind a cable."""
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        with _cable(stack):
            opened = sshd.running(scratch, f"ListenAddress={THERE}")
            ssh_server = stack.enter_context(opened)
            anywhere = "0.0.0.0"  # noqa: S104 - in a namespace of its own
            server = stack.enter_context(served("--host", anywhere, token=TOKEN))

        def connect(timeout_s: float) -> Shell:
            here = ssh_server
            return Shell.connected(
                THERE, here.port, here.login, here.key, here.known_hosts, sshd.ALIAS, timeout_s
            )

        tunnel = Tunnel(connect, server.port, lambda: None)
        stack.enter_context(closing(tunnel))
        yield stack.enter_context(_servers(f"http://{THERE}:{server.port}", TOKEN, tunnel))


@contextmanager
def _cable(stack: ExitStack) -> Iterator[None]:
    """A namespace that lasts as long as `stack`, which processes started meanwhile are in."""
    _ip("netns", "add", NAMESPACE)
    stack.callback(_ip, "netns", "del", NAMESPACE)
    _ip("link", "add", DEVICE, "type", "veth", "peer", "name", DEVICE, "netns", NAMESPACE)
    for prefix, address in (((), HERE), (("-n", NAMESPACE), THERE)):
        _ip(*prefix, "addr", "add", f"{address}/30", "dev", DEVICE)
        _ip(*prefix, "link", "set", DEVICE, "up")
    _ip("-n", NAMESPACE, "link", "set", "lo", "up")
    with open("/proc/self/ns/net") as ours, open(f"/run/netns/{NAMESPACE}") as theirs:
        _enter(theirs.fileno())
        try:
            yield
        finally:
            _enter(ours.fileno())


def _enter(namespace: int) -> None:
    """This thread, and what it starts, in another network namespace."""
    assert ctypes.CDLL(None, use_errno=True).setns(namespace, 0) == 0, "needs root"


def _shape_cable(rate_mbit: float) -> None:
    burst_bytes = int(rate_mbit * 1e6 / 8 / 250)
    shaper = (
        "root",
        "tbf",
        "rate",
        f"{rate_mbit}mbit",
        "burst",
        str(burst_bytes),
        "latency",
        "50ms",
    )
    subprocess.run(["tc", "qdisc", "replace", "dev", DEVICE, *shaper], check=True)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@contextmanager
def _servers(url: str, token: str, tunnel: Tunnel) -> Iterator[dict[str, Server]]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    clock = time.perf_counter
    with (
        closing(Server(url, headers, 120, 8, clock)) as plain,
        closing(Server("http://tunnel", headers, 120, 8, clock, tunnel.dial)) as through,
    ):
        yield {PLAIN: plain, TUNNEL: through}


def _compare(rate_mbit: float, servers: dict[str, Server], options: argparse.Namespace) -> None:
    body = os.urandom(round(options.size_kb * 1000))
    bodies = max(FEWEST_BODIES, round(rate_mbit * 1e6 / 8 * options.seconds / len(body)))
    found: dict[str, list[Measured]] = {PLAIN: [], TUNNEL: []}
    for server in servers.values():
        _measured(server, body, options.at_once * 2, options.at_once)  # past slow start
    for pair in range(options.pairs):
        for name in sorted(servers, reverse=pair % 2 == 1):
            found[name].append(_measured(servers[name], body, bodies, options.at_once))
    _print(rate_mbit, found)


def _measured(server: Server, body: bytes, bodies: int, at_once: int) -> Measured:
    left = itertools.repeat(body, bodies)

    def one(data: bytes) -> None:
        server.request("POST", wire.PROBE, None, Pieces(data), len(data))

    began_s, cpu_s = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(at_once) as threads:
        list(threads.map(one, left))
    size_bytes = len(body) * bodies
    took_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    return Measured(size_bytes / took_s, cpu_s / size_bytes)


def _print(rate_mbit: float, found: dict[str, list[Measured]]) -> None:
    plain, tunnel = found[PLAIN], found[TUNNEL]
    pairs = list(zip(tunnel, plain, strict=True))
    ratios = [t.goodput_bytes_per_s / p.goodput_bytes_per_s for t, p in pairs]
    print(
        f"{rate_mbit:g} Mbit/s: "
        f"plain {_median([m.goodput_bytes_per_s * 8e-6 for m in plain])} Mbit/s, "
        f"tunnel {_median([m.goodput_bytes_per_s * 8e-6 for m in tunnel])} Mbit/s, "
        f"ratio {_median(ratios, 3)}; CPU s per GB: "
        f"plain {_median([m.cpu_s_per_byte * 1e9 for m in plain], 2)}, "
        f"tunnel {_median([m.cpu_s_per_byte * 1e9 for m in tunnel], 2)}",
        flush=True,
    )


def _median(values: Sequence[float], digits: int = 1) -> str:
    middle = f"{statistics.median(values):.{digits}f}"
    return f"{middle} ({min(values):.{digits}f}..{max(values):.{digits}f})"


if __name__ == "__main__":
    main()
