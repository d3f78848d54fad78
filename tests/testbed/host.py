"""The hosts behind instances, and the network they share."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.testbed import metadata
from tests.testbed.machine import (
    STATE,
    alive,
    end,
    identity,
    limit_cgroup,
    load,
    log,
    make_cgroup,
    remove_cgroup,
    save,
    sh,
)

HERE = Path(__file__).resolve().parent
DOCKER = os.environ.get("FAKECLOUD_DOCKER", "boot")
"""When an instance's engine starts: at `boot`, or as on a stock image, when told to (`manual`)."""
BRIDGE = "fcbr0"
EDGE = "203.0.113.1"
"""This machine as instances see it: the client's public address."""
PUBLIC = "198.18.0.0/16"
"""Where every public address comes from: the range of RFC 2544, which is nobody's host."""

Shape = dict[str, float]
"""Of a link and a host: up, down (Mbit/s), rtt, jitter (ms), loss (percent), cpus, mem (MB)."""
UNSHAPED: Shape = dict.fromkeys(("up", "down", "rtt", "jitter", "loss", "cpus", "mem"), 0)

Rule = tuple[str, str]
"""Who may come in, as a CIDR, and by which protocol and port, in iptables' words."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What EC2 and its metadata service know of an instance when it starts."""

    public_ip: str
    private_ip: str
    login: str
    keys: Sequence[str]
    user_data: bytes
    stock: bool = False
    """Whether its disk is as the image has it, although there is one of ours; see mkdisk."""
    about: metadata.Answers = lambda _path: None
    hops: int = 1
    """How far the metadata service answers: beyond 1, to containers too."""


class Host:
    """The machine behind one instance. What must outlive the daemon is in `STATE/hosts/<id>/`."""

    def __init__(self, instance_id: str) -> None:
        self.id, self.dir = instance_id, STATE / "hosts" / instance_id
        self.name = "fc-" + instance_id[-8:]
        self.meta: dict[str, Any] = load(self.dir / "meta.json", {})
        self._rules: tuple[Rule, ...] | None = None
        self._power = threading.Lock()

    def boot(self, who: Identity, exited: Callable[[], object]) -> None:
        """Switch on; `exited` is called when it is off again, whoever did that."""
        with self._power:
            began_s = time.monotonic()
            self._seed(who)
            link = self._connect(who)
            self.shape({})
            self.firewall()
            metadata.serve(self.name, who.about)
            init = self._start()

        def watch() -> None:
            init.wait()
            link.poll()
            exited()

        threading.Thread(target=watch, daemon=True).start()
        taken_s = time.monotonic() - began_s
        log(f"{self.id} up at {who.public_ip} ({who.login}) in {taken_s:.2f}s")

    def _seed(self, who: Identity) -> None:
        """What instance-boot.sh reads."""
        seed = self.dir / "seed"
        seed.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (self.dir / "link.json").exists():
            save(self.dir / "link.json", load(STATE / "defaults.json", UNSHAPED))
        (seed / "authorized_keys").write_text("".join(f"{key.strip()}\n" for key in who.keys))
        (seed / "user-data").write_bytes(who.user_data)
        if "disk" not in self.meta:
            made = STATE / "disk"
            self.meta["disk"] = "" if who.stock or not made.exists() else str(made.resolve())
        joining = " ".join(map(str, make_cgroup(self.id)))
        (seed / "env").write_text(
            f"HOSTNAME=ip-{who.private_ip.replace('.', '-')}\nLOGIN={who.login}\nDOCKER={DOCKER}\n"
            f"CGPARENT=/fakecloud/{self.id}\nCGPROCS='{joining}'\n"
            f"DISK={self.meta['disk']}\n"
        )
        (self.dir / "init.pid").unlink(missing_ok=True)

    def _connect(self, who: Identity) -> "subprocess.Popen[bytes]":
        """Give it a network of its own, on a wire to the bridge."""
        sh("ip", "netns", "add", self.name)
        link = subprocess.Popen(
            [sys.executable, "-I", HERE / "wire.py", self.name, self.dir / "link.json"],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )
        self.meta = {
            "id": self.id,
            "disk": self.meta["disk"],
            "ip": who.public_ip,
            "private": who.private_ip,
            "login": who.login,
            "hops": who.hops,
            "link": identity(link.pid),
        }
        save(self.dir / "meta.json", self.meta)
        if link.stdout is None or link.stdout.readline() != b"ready\n":
            raise RuntimeError("the wire did not start")
        near = f"link set {self.name} master {BRIDGE} up\n"
        sh("ip", "-batch", "-", input=f"{near}link set {self.name}p netns {self.name} name eth0\n")
        far = (
            "link set lo up",
            f"addr add {metadata.ADDRESS}/32 dev lo",
            f"addr add {who.public_ip}/32 dev eth0",
            f"addr add {who.private_ip}/32 dev eth0",
            "link set eth0 up",
            f"route add {EDGE}/32 dev eth0 src {who.public_ip}",
            f"route add {PUBLIC} dev eth0 src {who.public_ip}",
        )
        self._inside("ip", "-batch", "-", input="\n".join(far) + "\n")
        return link

    def _start(self) -> "subprocess.Popen[bytes]":
        spaces = ("--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child")
        script = ("bash", HERE / "instance-boot.sh", self.dir)
        with (self.dir / "boot.log").open("ab") as out:
            init = subprocess.Popen(
                [*self._enter(), "unshare", *spaces, *script],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        while not (self.dir / "init.pid").exists() and init.poll() is None:
            time.sleep(0.01)
        time.sleep(0.01)
        self.meta["init"] = identity(int((self.dir / "init.pid").read_text()))
        save(self.dir / "meta.json", self.meta)
        return init

    def _enter(self) -> list[str]:
        return ["nsenter", f"--net=/run/netns/{self.name}"]

    def _inside(self, *command: object, **options: Any) -> str:
        return sh(*self._enter(), *command, **options)

    def run(self, command: str) -> str:
        """What a command says that root gives there."""
        init, path = self.meta["init"][0], "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
        return sh("nsenter", "-t", init, "-a", "-r", "-w", "env", path, "bash", "-c", command)

    def alive(self) -> bool:
        """Whether it is switched on."""
        return alive(self.meta.get("init"))

    def firewall(self, rules: Iterable[Rule] = ()) -> None:
        """Security groups: what no rule lets in is dropped before Docker's own rules see it."""
        rules = tuple(rules)
        if self._rules == rules:
            return
        chain = [
            *([f"-d {metadata.ADDRESS} ! -i lo -j DROP"] if self.meta.get("hops", 1) < 2 else ()),
            "! -i eth0 -j ACCEPT",
            "-m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
            *(f"-s {cidr} {match} -j ACCEPT" for cidr, match in rules),
            "-j DROP",
        ]
        lines = ["*mangle", ":PREROUTING ACCEPT", *(f"-A PREROUTING {r}" for r in chain), "COMMIT"]
        self._inside("iptables-restore", input="\n".join(lines) + "\n")
        self._rules = rules

    def shape(self, change: Shape) -> Shape:
        """The settings with `change` merged in, put into force on the link and the cgroup."""
        now = {**UNSHAPED, **load(self.dir / "link.json", {}), **change}
        save(self.dir / "link.json", now)
        sides = ((sh, self.name, now["up"]), (self._inside, "eth0", now["down"]))
        for run, device, mbit in sides:
            verb, *rest = _rate(mbit)
            run("tc", "qdisc", verb, "dev", device, "root", *rest, ok=(0, 2))
        if alive(self.meta["link"]):
            os.kill(self.meta["link"][0], signal.SIGHUP)
        limit_cgroup(self.id, now)
        return now

    def off(self, *, erase: bool) -> None:
        """Switch off, and with `erase` leave nothing of it. PID 1 leaves last: nobody survives."""
        with self._power:
            began_s = time.monotonic()
            if not erase:
                end(self.meta.get("init"), signal.SIGTERM)
            end(self.meta.get("init"))
            end(self.meta.get("link"), signal.SIGTERM)
            metadata.end(self.name)
            sh("ip", "netns", "del", self.name, ok=None)
            remove_cgroup(self.id)
            if erase:  # its mounts went with the namespace that owned them
                shutil.rmtree(self.dir, ignore_errors=True)
        log(f"{self.id} {'gone' if erase else 'off'} in {time.monotonic() - began_s:.2f}s")


def _rate(mbit: float) -> list[object]:
    """The token bucket for a rate: bursts of 4 ms, a buffer of 100 ms."""
    if not mbit:
        return ["del"]
    bytes_per_s = mbit * 1e6 / 8
    burst_bytes, buffer_bytes = max(3200, int(bytes_per_s / 250)), max(32000, int(bytes_per_s / 10))
    rate = f"{int(mbit * 1e6)}bit"
    return ["replace", "tbf", "rate", rate, "burst", burst_bytes, "limit", buffer_bytes]


def hosts() -> list[Host]:
    """All there are, on or off."""
    return [Host(folder.name) for folder in sorted((STATE / "hosts").glob("i-*"))]


def network_up() -> None:
    """The bridge that carries the public range, of which nothing ever leaves this machine."""
    sh("ip", "link", "add", BRIDGE, "type", "bridge", ok=(0, 2))
    sh("ip", "addr", "replace", f"{EDGE}/32", "dev", BRIDGE)
    sh("ip", "link", "set", BRIDGE, "up")
    sh("ip", "route", "replace", PUBLIC, "dev", BRIDGE, "src", EDGE)
    sh("ip", "route", "replace", "unreachable", PUBLIC, "metric", "4096")


def sweep() -> None:
    """Remove every host and the network, whoever left them."""
    for host in hosts():
        host.off(erase=True)
    sh("ip", "link", "del", BRIDGE, ok=None)
    sh("ip", "route", "del", "unreachable", PUBLIC, "metric", "4096", ok=None)
    remove_cgroup("")
