"""Whom a rented machine lets in, and whom we take for it."""

import re
import select
import socket
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.rented.renter import SECRET, Rented, Renter, until

pytestmark = pytest.mark.xdist_group("rented machines that end")

REMOTE = ("--where", "remote")
HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"
RELOAD = "kill -HUP $(cat /run/sshd.pid)"
PORTS = (*range(1, 1025), 2375, 2376, 2377, 3000, 5000, 8000, *range(8080, 8100), 8443, 9090, 32768)


def as_root(machine: Rented, address: str, script: str) -> None:
    """Run a script there, whoever answers."""
    options = ("-F", "/dev/null", "-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null")
    key = machine.renter.folder(machine.name) / "key"
    words = ["ssh", *options, "-oLogLevel=ERROR", "-i", str(key), f"ec2-user@{address}"]
    done = subprocess.run(
        [*words, "sudo sh -e"], input=script, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@contextmanager
def another_host_key(machine: Rented) -> Iterator[None]:
    """Meanwhile somebody else answers at its address."""
    address = machine.address
    another = f"mv {HOST_KEY} /root/kept; ssh-keygen -q -t ed25519 -N '' -f {HOST_KEY}"
    as_root(machine, address, f"{another} <&-; {RELOAD}")
    try:
        yield
    finally:
        as_root(machine, address, f"mv /root/kept {HOST_KEY}; {RELOAD}")


def test_whoever_shows_another_host_key_is_refused(machine: Rented, examples: Path) -> None:
    renter, name = machine.renter, machine.name
    with another_host_key(machine):
        for words in (
            ("detect", examples, *REMOTE, "-q"),
            ("ssh", name, "--", "true"),
            ("logs", name),
            ("provision", "ec2", "--name", name, "-y", "-q"),
            ("start", name, "-q"),
        ):
            refused = renter(*words)
            assert refused.returncode not in {0, 2}, words
            assert refused.stdout == ""
            errors = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
            assert len(errors) == 1, refused.stderr
            assert f"is not offload-{name}: its host key differs." in errors[0]
    assert renter.ssh(name, "echo welcome") == "welcome\n"


def test_the_host_key_in_its_user_data_opens_nothing_any_more(
    machine: Rented, tmp_path: Path
) -> None:
    told = machine.renter.user_data(machine.name)
    found = re.search(r"-----BEGIN OPENSSH PRIVATE KEY-----.*?-----END.*?-----\n", told, re.DOTALL)
    assert found is not None
    (tmp_path / "told").write_text(found[0])
    (tmp_path / "told").chmod(0o600)
    public = said("ssh-keygen", "-y", "-f", str(tmp_path / "told"))
    shown = said("ssh-keyscan", "-t", "ed25519", machine.address)
    [pinned] = (machine.renter.folder(machine.name) / "known_hosts").read_text().splitlines()
    assert shown.split()[-1] == pinned.split()[-1]
    assert public.split()[1] != pinned.split()[-1]
    assert not (machine.renter.folder(machine.name) / "host_key").exists()


def test_nothing_but_ssh_answers_at_its_address(machine: Rented) -> None:
    assert open_ports(machine.address, PORTS) == [22]
    bound = machine.renter.ssh(machine.name, "ss -Hltn | awk '{print $4}'").split()
    own = "127.0.0.1:", "169.254.169.254:"  # the latter is the bed's metadata service
    outside = {each for each in bound if not each.startswith(own)}
    assert {each.rpartition(":")[2] for each in outside} == {"22"}
    assert "127.0.0.1:8080" in bound
    by_id = [{"Name": "group-name", "Values": [f"offload-{machine.name}"]}]
    [group] = machine.renter.client().describe_security_groups(Filters=by_id)["SecurityGroups"]
    [rule] = group["IpPermissions"]
    assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("tcp", 22, 22)
    assert [each["CidrIp"] for each in rule["IpRanges"]] == [f"{machine.renter.seen_at}/32"]


def test_no_secret_is_seen_by_others(machine: Rented, examples: Path, tmp_path: Path) -> None:
    renter, name = machine.renter, machine.name
    folder = renter.folder(name)
    token, key = (folder / "token").read_text(), (folder / "key").read_text()
    secrets = (token, SECRET, *(line for line in key.splitlines()[2:-1]))
    assert len(token) == 32
    renter.ssh(name, "sudo docker rm -f offload")
    with arguments_of_all() as seen:
        said = [
            renter("provision", "ec2", "--name", name, "-y", "-v"),
            renter("detect", examples, *REMOTE, "-v", "-o", tmp_path / "out"),
            renter("machines", "--json"),
            renter("logs", name),
            renter("profile", "export"),
        ]
    assert all(done.returncode == 0 for done in said), said
    texts = [done.stdout + done.stderr for done in said]
    texts += [file.read_text() for file in (tmp_path / "out").rglob("*") if file.is_file()]
    texts += [renter.user_data(name), (folder / "machine.json").read_text(), *seen]
    assert any("offload" in each and "serve" in each for each in seen), "the server was started"
    for text in texts:
        assert not [secret for secret in secrets if secret in text]
    history = b"".join(file.read_bytes() for file in (renter.home / "data").glob("*.sqlite3*"))
    assert history
    assert not [secret for secret in secrets if secret.encode() in history]
    for file in (folder, *folder.iterdir()):
        assert file.stat().st_mode & 0o077 == 0 or file.name == "machine.json", file


def test_whose_address_has_changed_is_told_so_and_lets_themselves_in(
    machine: Rented, examples: Path
) -> None:
    renter, name = machine.renter, machine.name
    said = renter.well("allow", name, "--allow-cidr", "192.0.2.7/32")
    assert said == "SSH is let in from 192.0.2.7/32.\n"
    try:
        until(lambda: not open_ports(machine.address, [22]))
        refused = renter("detect", examples, *REMOTE, "-q")
        assert refused.returncode == 4
        error, hint = refused.stderr.splitlines()
        assert error == (
            f"error: This computer's address is {renter.seen_at} now; the machine {name} lets in "
            "192.0.2.7/32 only."
        )
        assert hint == f"  To let it in: offload allow {name}"
    finally:
        assert renter.well("allow", name) == f"SSH is let in from {renter.seen_at}/32.\n"
    renter.well("detect", examples, *REMOTE, "-q", "--json")


def test_a_machine_of_another_computer_is_left_alone(machine: Rented, someone: Renter) -> None:
    refused = someone("provision", "ec2", "--name", machine.name, "-y", "-q")
    assert refused.returncode == 1
    assert f"The key of the machine {machine.name} is not on this computer" in refused.stderr
    unasked = someone("down", machine.name)
    assert unasked.returncode == 2
    assert f"instance {machine.id} of {machine.name}" in unasked.stdout
    assert "Removing what may be somebody else's needs --yes." in unasked.stderr
    assert len(machine.renter.carrying(machine.name)) == 4
    assert machine.renter.ssh(machine.name, "echo welcome") == "welcome\n"


def said(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def open_ports(address: str, ports: Iterable[int]) -> list[int]:
    """Those that let us in within a second or two."""
    left, found = list(ports), []
    while left:
        some, left = left[:400], left[400:]
        trying = {port: socket.socket() for port in some}
        for port, one in trying.items():
            one.setblocking(False)
            one.connect_ex((address, port))
        time.sleep(1.2)
        ready = select.poll()
        for one in trying.values():
            ready.register(one, select.POLLOUT)
        done = {number for number, _event in ready.poll(0)}
        for port, one in trying.items():
            if one.fileno() in done and not one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                found.append(port)
            one.close()
    return found


@contextmanager
def arguments_of_all() -> Iterator[set[str]]:
    """The arguments of every process, here and on the machines, that meanwhile was seen."""
    seen: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.01):
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except OSError:
                    continue

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
