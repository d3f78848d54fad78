"""Logging into a real OpenSSH server, and what is refused."""

import hashlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from offload.domain.errors import OffloadError
from offload.drivers.ssh.connection import Shell
from offload.drivers.ssh.login import HostKeyChanged, SshUnreachable, new_key
from tests.remote.sessions import at_once
from tests.ssh.proxy import Proxy
from tests.ssh.sshd import Sshd, known, running, saved

pytestmark = pytest.mark.xdist_group("ssh")

PIECE = bytes(range(256)) * 4096
"""1 MiB."""


@pytest.fixture
def shell(sshd: Sshd) -> Iterator[Shell]:
    with closing(sshd.shell()) as shell:
        yield shell


def test_a_command_returns_what_it_prints_and_its_complaints_are_heard_line_by_line(
    shell: Shell,
) -> None:
    heard: list[str] = []
    said = shell.run("echo one; echo two >&2; echo three; printf four >&2", on_line=heard.append)
    assert said == "one\nthree\n"
    assert heard == ["two", "four"]


def test_a_command_reads_what_it_is_sent(shell: Shell) -> None:
    assert shell.run("tr a-z A-Z", [b"se", b"same"]) == "SESAME"


def test_a_command_that_fails_is_known_by_its_last_words(shell: Shell) -> None:
    for command, words in (
        ("echo no luck >&2; echo >&2; exit 3", "no luck"),
        ("echo said; exit 4", "said"),
        ("exit 5", "It ended with code 5."),
        ("kill -9 $$", "It did not end by itself."),
    ):
        with pytest.raises(OffloadError) as failure:
            shell.run(command)
        assert str(failure.value) == words


def test_more_goes_in_and_comes_back_than_any_window_holds(shell: Shell) -> None:
    heard: list[str] = []
    said = shell.run(
        "tee /dev/stderr | sha256sum", (PIECE for _ in range(20)), on_line=heard.append
    )
    assert said.split()[0] == hashlib.sha256(PIECE * 20).hexdigest()
    assert len(heard) == PIECE.count(b"\n") * 20 + 1


def test_input_that_nobody_reads_holds_nobody_up(shell: Shell) -> None:
    assert shell.run("echo done", (PIECE for _ in range(20))) == "done\n"


def test_an_error_in_making_the_input_is_that_error(shell: Shell) -> None:
    def broken() -> Iterator[bytes]:
        yield PIECE
        raise KeyError("an engine that broke off")

    with pytest.raises(KeyError):
        shell.run("cat", broken())


def test_commands_run_side_by_side(shell: Shell) -> None:
    at_once(lambda: shell.run("cat", [PIECE]), 5)


def test_new_keys_in_the_middle_of_much_data_are_not_noticed(tmp_path: Path) -> None:
    with running(tmp_path, "RekeyLimit=1M") as sshd, closing(sshd.shell()) as shell:
        said = shell.run("cat; echo", (b"x" * 2**20 for _ in range(12)))
    assert len(said) == 12 * 2**20 + 1


def test_a_changed_host_key_is_refused_before_we_say_who_we_are(sshd: Sshd, tmp_path: Path) -> None:
    before = sshd.log.read_text().count("publickey")
    other = known(tmp_path / "known_hosts", new_key())
    for path in (other, str(tmp_path / "none")):
        with pytest.raises(HostKeyChanged, match="is not offload-mine") as refused:
            sshd.shell(known_hosts=path)
        assert refused.value.hint.endswith("offload down mine")
    assert sshd.log.read_text().count("publickey") == before


def test_while_a_host_key_is_replaced_either_is_right(sshd: Sshd, tmp_path: Path) -> None:
    lines = Path(sshd.known_hosts).read_text()
    both = tmp_path / "known_hosts"
    known(both, new_key())
    both.write_text(both.read_text() + lines)
    sshd.shell(known_hosts=str(both)).close()


def test_a_host_key_of_another_machine_is_none_of_this_one(sshd: Sshd) -> None:
    with pytest.raises(HostKeyChanged):
        sshd.shell(alias="offload-other")


def test_no_key_of_the_user_is_offered(
    sshd: Sshd, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".ssh").mkdir()
    (home / ".ssh" / "id_ed25519").write_text(Path(sshd.key).read_text())
    (home / ".ssh" / "config").write_text(f"Host *\nIdentityFile {sshd.key}\n")
    with ExitStack() as stack:
        agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(tmp_path / "agent")])
        stack.callback(agent.wait)
        stack.callback(agent.terminate)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        while not (tmp_path / "agent").exists():
            time.sleep(0.01)
        subprocess.run(["ssh-add", "-q", sshd.key], check=True)
        with pytest.raises(SshUnreachable, match="does not accept our key"):
            sshd.shell(private_key=saved(new_key(), tmp_path / "key"))


def test_a_key_that_is_none_lets_nobody_in(sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for name in ("none", "empty"):
        with pytest.raises(SshUnreachable, match="cannot be read"):
            sshd.shell(private_key=str(tmp_path / name))


def test_where_nobody_listens_there_is_somebody_who_refuses(sshd: Sshd) -> None:
    with Proxy(sshd.port) as proxy:
        proxy.refuse()
        with pytest.raises(SshUnreachable, match="refused"):
            sshd.shell(proxy.port)


def test_a_host_that_answers_nothing_is_silent(sshd: Sshd) -> None:
    with socket.socket() as deaf, ExitStack() as stack:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(2):  # no more fit into its queue
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(deaf.getsockname())
        with pytest.raises(SshUnreachable, match="does not answer"):
            sshd.shell(deaf.getsockname()[1], timeout_s=0.2)


def test_a_host_that_says_no_word_of_ssh_is_left_in_time(sshd: Sshd) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        with pytest.raises(SshUnreachable, match="does not speak SSH"):
            sshd.shell(mute.getsockname()[1], timeout_s=0.2)
    with socket.create_server(("127.0.0.1", 0)) as wrong:

        def hang_up() -> None:
            wrong.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(SshUnreachable, match="does not speak SSH"):
            sshd.shell(wrong.getsockname()[1])
        thread.join()


def test_a_connection_that_breaks_off_is_no_failure_of_the_command(sshd: Sshd) -> None:
    with Proxy(sshd.port) as proxy, closing(sshd.shell(proxy.port)) as shell:
        with pytest.raises(SshUnreachable, match="broke off"):
            shell.run("echo ready >&2; sleep 9", on_line=lambda _line: proxy.cut())
        assert not shell.is_alive
        with pytest.raises(SshUnreachable):
            shell.run("true")


def test_no_thread_and_no_word_is_left(
    sshd: Sshd, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = set(threading.enumerate())
    sshd.shell().close()
    with pytest.raises(HostKeyChanged):
        sshd.shell(alias="offload-other")
    with pytest.raises(SshUnreachable, match="does not accept our key"):
        sshd.shell(private_key=saved(new_key(), tmp_path / "key"))
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        with pytest.raises(SshUnreachable):
            sshd.shell(mute.getsockname()[1], timeout_s=0.1)
    assert set(threading.enumerate()) <= before
    assert capfd.readouterr() == ("", "")


def test_a_new_key_is_one_that_openssh_reads_and_no_repr_shows(tmp_path: Path) -> None:
    pair = new_key()
    assert pair != new_key()
    path = saved(pair, tmp_path / "key")
    read = subprocess.run(
        ["ssh-keygen", "-y", "-f", path], capture_output=True, text=True, check=True
    )
    assert read.stdout.split()[:2] == pair.public.split()
    assert "PRIVATE" not in repr(pair)
    assert os.fspath(path)
