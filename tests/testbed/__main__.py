"""An EC2 whose instances are real hosts on this machine.

moto answers the AWS API on 127.0.0.1 and this daemon plays the hypervisor behind it: whatever
DescribeInstances says is running exists, as a network namespace that owns the addresses moto
handed out, with its own processes, root file system, sshd and Docker engine. A client needs
AWS_ENDPOINT_URL and nothing else.

    fakecloud serve      run in the foreground; ./up does it for you
    fakecloud ls         the instances that exist now
    fakecloud shape ID|all [--rate MBIT | --up MBIT --down MBIT] [--rtt MS] [--jitter MS]
              [--loss PERCENT] [--cpus N] [--mem MB]
                         0 is no limit; `all` is for those started later as well
    fakecloud throttle --cpus N [--mem MB] -- COMMAND...
                         run it here, as on a slow device
    fakecloud check      whether this machine can run the test bed at all
    fakecloud sweep      remove what a killed daemon left behind
    fakecloud down       end the daemon and sweep
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tests.testbed.host import UNSHAPED, hosts, sweep
from tests.testbed.machine import STATE, end, limit_cgroup, load, make_cgroup, remove_cgroup, save

_COMMANDS = (
    "dockerd", "docker", "sshd", "ip", "tc", "iptables", "nsenter", "unshare", "sudo", "useradd",
    "pivot_root",
)  # fmt: skip
_SHAPER_PROBE = (
    "ip netns add fc-check && ip -n fc-check link set lo up &&"
    " tc -n fc-check qdisc replace dev lo root tbf rate 1mbit burst 3200 limit 32000;"
    " r=$?; ip netns del fc-check 2>/dev/null; exit $r"
)


def check() -> bool:
    """Whether everything needed is there; prints a line for each thing."""
    probe = subprocess.call(_SHAPER_PROBE, shell=True, stderr=subprocess.DEVNULL)
    met = {
        "root": os.geteuid() == 0,
        "/dev/net/tun": os.path.exists("/dev/net/tun"),
        "overlayfs": "overlay" in Path("/proc/filesystems").read_text(),
        "namespaces and tc tbf": probe == 0,
        **{command: bool(shutil.which(command)) for command in _COMMANDS},
    }
    for what, there in met.items():
        print("ok     " if there else "MISSING", what)
    return all(met.values())


def listing() -> None:
    for host in hosts():
        shaped = {k: v for k, v in load(host.dir / "link.json", {}).items() if v} or "unshaped"
        state = "on" if host.alive() else "off"
        print(host.id, host.meta.get("ip"), host.meta.get("login"), state, shaped)


def shape(arguments: argparse.Namespace) -> None:
    change = {k: v for k in UNSHAPED if (v := getattr(arguments, k)) is not None}
    if arguments.rate is not None:
        change = {"up": arguments.rate, "down": arguments.rate} | change
    everyone = arguments.who == "all"
    if everyone:
        default = STATE / "defaults.json"
        save(default, UNSHAPED | load(default, {}) | change)
    chosen = [host for host in hosts() if host.alive() and (everyone or host.id == arguments.who)]
    if not everyone and not chosen:
        sys.exit(f"no such running instance: {arguments.who}")
    for host in chosen:
        print(host.id, host.shape(change))


def throttle(arguments: argparse.Namespace) -> int:
    """Run the command in a cgroup of its own; its exit status."""
    name = f"local-{os.getpid()}"
    joining = make_cgroup(name)
    limit_cgroup(name, {"cpus": arguments.cpus, "mem": arguments.mem})

    def join() -> None:
        for file in joining:
            file.write_text("0")

    try:
        status = subprocess.call(arguments.command, preexec_fn=join)
    finally:
        remove_cgroup(name)
    return status if status >= 0 else 128 - status


def down() -> None:
    end((load(STATE / "daemon.json") or {}).get("pid"), signal.SIGTERM, 60)
    sweep()


def parser() -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser("fakecloud", description=__doc__, formatter_class=form)
    verbs = top.add_subparsers(dest="verb", required=True)
    for verb in ("serve", "ls", "check", "sweep", "down"):
        verbs.add_parser(verb)
    shaping, throttling = verbs.add_parser("shape"), verbs.add_parser("throttle")
    shaping.add_argument("who")
    for option in ("rate", *UNSHAPED):
        shaping.add_argument(f"--{option}", type=float)
    for option in ("cpus", "mem"):
        throttling.add_argument(f"--{option}", type=float, default=0)
    throttling.add_argument("command", nargs="+")
    return top


def main() -> None:
    arguments = parser().parse_args()
    match arguments.verb:
        case "serve":
            from tests.testbed.hypervisor import serve

            serve()
        case "ls":
            listing()
        case "check":
            sys.exit(not check())
        case "sweep":
            sweep()
        case "down":
            down()
        case "shape":
            shape(arguments)
        case "throttle":
            sys.exit(throttle(arguments))


if __name__ == "__main__":
    main()
