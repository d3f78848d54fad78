"""Plain clients that keep their connections, at a port of the node."""

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.kubernetes.user import User, until

pytestmark = pytest.mark.xdist_group("kubernetes")

CLIENTS, EACH = 6, 60


def test_no_pod_is_idle_while_a_few_clients_keep_their_connections(
    user: User, examples: Path
) -> None:
    if user.cluster.host is None:
        pytest.skip("nobody knows whether this computer reaches the nodes")
    address = user.cluster.address
    done = user.provision("--replicas", 3, "--cpus", 0.5, "--expose", "nodeport")
    assert done.returncode == 0, done.stderr
    service = user.ask("GET", user.path("services", "offload")) or {}
    port = service["spec"]["ports"][0]["nodePort"]
    token = user.token()
    picture = min(examples.glob("*.jpg"), key=lambda path: path.stat().st_size).read_bytes()

    def reached() -> bool:
        connection = http.client.HTTPConnection(address, port, timeout=2)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:  # rules are written a second at a time
            return False
        finally:
            connection.close()

    def keep_asking(_number: int) -> int:
        connection = http.client.HTTPConnection(address, port, timeout=60)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "image/jpeg"}
        answered = 0
        for _ in range(EACH):
            connection.request("POST", "/v1/detect", picture, headers)
            reply = connection.getresponse()
            json.loads(reply.read())
            answered += reply.status == 200
        connection.close()
        return answered

    until(reached)
    with ThreadPoolExecutor(CLIENTS) as clients:
        assert sum(clients.map(keep_asking, range(CLIENTS))) == CLIENTS * EACH
    shares = user.served()
    assert sum(shares.values()) == CLIENTS * EACH
    assert min(shares.values()) > 0.1 * CLIENTS * EACH, shares
