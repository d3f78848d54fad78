"""What the system tells of itself, read from tables as it writes them."""

import os
import resource
import sys
import threading
from pathlib import Path

import pytest

from offload.cli import commands, main
from offload.drivers.host import machine

ROUTES = """\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
wlan0	00000000	FE01A8C0	0003	0	0	600	00000000	0	0	0
eth0	00000000	010200C0	0003	0	0	100	00000000	0	0	0
eth0	000200C0	00000000	0001	0	0	100	00FFFFFF	0	0	0
"""
NEIGHBOURS = """\
IP address       HW type     Flags       HW address            Mask     Device
192.168.1.254    0x1         0x2         aa:bb:cc:dd:ee:ff     *        wlan0
192.0.2.1        0x1         0x2         02:fc:00:00:00:05     *        eth0
"""


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(machine, "_ROUTES", str(tmp_path / "route"))
    monkeypatch.setattr(machine, "_NEIGHBOURS", str(tmp_path / "arp"))
    return tmp_path


def test_a_network_is_known_again_by_its_gateway(tables: Path) -> None:
    (tables / "route").write_text(ROUTES)
    (tables / "arp").write_text(NEIGHBOURS)
    found = machine.network()
    assert found is not None
    assert len(found) == 16
    assert machine.network() == found
    (tables / "arp").write_text(NEIGHBOURS.replace("00:05", "00:06"))
    assert machine.network() not in {None, found}, "another network with the same addresses"


@pytest.mark.parametrize(
    ("routes", "neighbours"),
    [
        (None, None),
        ("", ""),
        (ROUTES, NEIGHBOURS.replace("192.0.2.1 ", "192.0.2.9 ")),
        (ROUTES.replace("0003", "0001"), NEIGHBOURS),
    ],
)
def test_a_network_that_the_system_does_not_tell_of_is_unknown(
    tables: Path, routes: str | None, neighbours: str | None
) -> None:
    for name, text in (("route", routes), ("arp", neighbours)):
        if text is not None:
            (tables / name).write_text(text)
    assert machine.network() is None


def test_cores_are_busy_for_part_of_the_time() -> None:
    busy_and_whole = machine.cpu_s()
    assert busy_and_whole is not None
    assert 0 < busy_and_whole[0] < busy_and_whole[1]


def test_who_asks_for_the_load_is_none_of_it() -> None:
    load = machine.load()
    assert load is not None
    assert load >= 0


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities of their own on Linux")
def test_every_command_may_have_as_many_files_open_as_the_system_permits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    found: list[tuple[int, int]] = []
    monkeypatch.setattr(
        commands, "app", lambda **_: found.append(resource.getrlimit(resource.RLIMIT_NOFILE))
    )
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, before[1]))
    try:
        with pytest.raises(SystemExit):
            main()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert found == [(before[1], before[1])]


def test_a_thread_steps_back_and_no_other_does() -> None:
    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    seen = []

    def work() -> None:
        machine.lower_thread_priority()
        seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [19]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before
