"""Who shares images out between replicas: our client, HAProxy or nginx, as ratios side by side.

    python benchmarks/replicas.py --photos DIR --model FILE.tflite --labels FILE [--replicas 3]

Needs a Docker engine and, in PATH, `haproxy` and `nginx` (Debian's packages of that name); one that
is missing is left out. The replicas are our containers with `--cpus` each. Both balancers send each
request to the server with the fewest connections and keep connections alive; our client sends each
image to the server with the fewest images in flight. The ways take turns in random order; medians
over the rounds, and ratios to our client in the same round.
"""

import argparse
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from offload import bootstrap
from offload.domain.events import Stop
from offload.domain.ports import Session
from offload.domain.timing import quantile
from offload.domain.vision import Image
from offload.drivers.http.web import Unreachable
from offload.providers import docker
from offload.providers.config import Endpoint, PlaceConfig
from offload.service import wire
from offload.service.client.balanced import BalancedSession
from offload.service.client.greeting import Address, ask
from offload.service.client.session import ServerSession
from offload.usecases.detect import places
from offload.usecases.detect.request import Request
from offload.usecases.detect.rows import pull

OURS = "client"
HAPROXY = """
global
  maxconn 1024
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen replicas
  bind 127.0.0.1:{port}
  balance leastconn
{servers}
"""
NGINX = """
daemon off;
pid nginx.pid;
error_log stderr error;
events {{}}
http {{
  access_log off;
  client_max_body_size 0;
  upstream replicas {{ least_conn; keepalive 64; {servers} }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://replicas;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_request_buffering off;
    }}
  }}
}}
"""


def main() -> None:
    """Measure and print."""
    options = _options()
    photos = [
        Image(path.name, path.read_bytes())
        for path in sorted(Path(options.photos).glob("*.jpg"))[: options.images]
    ]
    with ExitStack() as stack:
        config, replicas = _replicas(options, stack)
        token, ports = replicas[0].token, [int(each.url.rpartition(":")[2]) for each in replicas]
        ways = {OURS: ports}
        for name, begin in (("haproxy", _haproxy), ("nginx", _nginx)):
            if shutil.which(name):
                ways[name] = [stack.enter_context(begin(ports))]
        for concurrency in map(int, options.concurrency.split(",")):
            with ExitStack() as open_:
                sessions = {
                    name: _session(config, at, token, concurrency, open_)
                    for name, at in ways.items()
                }
                _compare(sessions, photos, concurrency, options.rounds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Who shares images out between replicas.")
    parser.add_argument("--photos", required=True, help="folder of .jpg files")
    parser.add_argument("--model", required=True, help=".tflite file")
    parser.add_argument("--labels", required=True, help="its class names")
    parser.add_argument("--replicas", type=int, default=3)
    parser.add_argument("--cpus", type=float, default=0.5)
    parser.add_argument("--concurrency", default="3,8,32")
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


def _replicas(
    options: argparse.Namespace, stack: ExitStack
) -> tuple[PlaceConfig, Sequence[Endpoint]]:
    """Containers that are up, and what they are made of."""
    request = Request(
        (), where="container", model=options.model, labels=options.labels, cpus=options.cpus
    )
    config = places.config(request, bootstrap.context())
    config = replace(config, container=replace(config.container, replicas=options.replicas))
    return config, stack.enter_context(docker.open(config, config.resolve(config.asked)))


def _session(
    config: PlaceConfig, ports: Sequence[int], token: str | None, concurrency: int, stack: ExitStack
) -> Session:
    sessions = []
    for port in ports:
        address = Address(f"http://127.0.0.1:{port}", token, concurrency)
        server = stack.enter_context(closing(address.connect(time.perf_counter)))
        while True:
            try:
                if server.request("GET", wire.LIVE).status == 200:
                    break
            except Unreachable:
                pass
            time.sleep(0.05)
        info = ask(server, address)
        selection = Request(()).selection(info)
        sessions.append(
            ServerSession(
                server, address, info, selection, config.max_pixels, config.upload,
                time.perf_counter,
            )
        )  # fmt: skip
    return BalancedSession(sessions, Address(concurrency=concurrency))


def _compare(
    sessions: dict[str, Session], photos: Sequence[Image], concurrency: int, rounds: int
) -> None:
    spans: dict[str, list[float]] = {name: [] for name in sessions}
    late: dict[str, list[float]] = {name: [] for name in sessions}
    for number in range(rounds + 1):
        for name in random.sample(list(sessions), len(sessions)):
            span_s, response_s = _job(sessions[name], photos, concurrency)
            if number:  # the first round warms up
                spans[name].append(span_s)
                late[name].append(response_s)
    for name in sessions:
        ratios = [mine / ours for mine, ours in zip(spans[name], spans[OURS], strict=True)]
        tails = [mine / ours for mine, ours in zip(late[name], late[OURS], strict=True)]
        print(
            f"   {concurrency:>3} in flight, {name:<8} {statistics.median(spans[name]):.2f} s, "
            f"ratio {statistics.median(ratios):.3f} ({min(ratios):.3f}..{max(ratios):.3f}); "
            f"95 % of responses within {statistics.median(late[name]):.3f} s, "
            f"ratio {statistics.median(tails):.3f}",
            flush=True,
        )


def _job(session: Session, photos: Sequence[Image], concurrency: int) -> tuple[float, float]:
    """Seconds of the whole job, and what 95 % of the images took at most."""

    def one(image: Image) -> float:
        began_s = time.perf_counter()
        session.detect(image)
        return time.perf_counter() - began_s

    began_s = time.perf_counter()
    responses_s = list(pull(photos, one, lambda: concurrency, Stop()))
    return time.perf_counter() - began_s, quantile(sorted(responses_s), 0.95)


@contextmanager
def _haproxy(ports: Sequence[int]) -> Iterator[int]:
    servers = "\n".join(f"  server s{port} 127.0.0.1:{port}" for port in ports)
    port = _free_port()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "conf").write_text(HAPROXY.format(port=port, servers=servers))
        with _running(["haproxy", "-f", f"{folder}/conf"]):
            yield port


@contextmanager
def _nginx(ports: Sequence[int]) -> Iterator[int]:
    servers = " ".join(f"server 127.0.0.1:{port};" for port in ports)
    port = _free_port()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "conf").write_text(NGINX.format(port=port, servers=servers))
        with _running(["nginx", "-p", folder, "-c", f"{folder}/conf"]):
            yield port


@contextmanager
def _running(command: Sequence[str]) -> Iterator[None]:
    with subprocess.Popen(command) as process:
        try:
            yield
        finally:
            process.terminate()


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
