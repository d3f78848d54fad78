"""Clients that are killed while they bring a deployment up, and two at once."""

import os
import signal
import threading

import pytest

from tests.becoming import spawner
from tests.kubernetes.user import User, until

pytestmark = pytest.mark.xdist_group("kubernetes")


@pytest.mark.soak
def test_a_client_that_was_killed_at_each_step_still_ends_up_with_one_deployment(
    user: User,
) -> None:
    first = 0
    for kinds in range(1, 12):
        if killed_with(user, kinds):
            first = kinds
            break
    assert first > 1, "there was nothing to kill it at"
    done = user.provision("--replicas", 1)
    assert done.returncode == 0, done.stderr
    assert len(user.ready()) == 1
    ours = user.carrying()
    user.down()
    until(lambda: not user.carrying())
    assert len(ours) >= 5, ours


def killed_with(user: User, objects: int) -> bool:
    """Kill a client once there are so many objects of ours; whether it had brought all up."""
    process = spawner().begin(user.provisioning("--replicas", 1))
    until(lambda: len(user.carrying()) >= objects or process.poll() is not None)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return process.returncode == 0


def test_two_clients_that_bring_up_the_same_deployment_at_once_have_one_between_them(
    user: User,
) -> None:
    ended = []

    def provision() -> None:
        ended.append(user.provision("--replicas", 1))

    both = [threading.Thread(target=provision) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert [(done.returncode, done.stderr) for done in ended if done.returncode] == []
    assert len(user.ready()) == 1
    assert len([each for each in user.carrying() if each.startswith("deployments")]) == 1
