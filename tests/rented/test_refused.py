"""What cannot be done is said in a sentence, before anything is created."""

from pathlib import Path

import pytest

from tests.becoming import Done
from tests.rented.renter import Rented, Renter

pytestmark = pytest.mark.xdist_group("rented machines that end")

REMOTE = ("--where", "remote")


def assert_refused(done: Done, code: int, says: str) -> None:
    """One sentence, and a command at most."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    error, *hint = done.stderr.splitlines()
    assert error.startswith("error: "), done.stderr
    assert says in error
    assert len(hint) <= 1, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--instance-type", "c5.huge"), 2, "no such instance type"),
        (("--ami", "ami-00000000000000000"), 2, "no such AMI"),
        (
            ("--instance-type", "c7g.large", "--container-image", "stream"),
            2,
            "container images are for",
        ),
        (("--max-hourly", "0.01"), 2, "more than --max-hourly allows"),
        (("--allow-cidr", "somewhere"), 2, "not an address range"),
        (
            ("--container-image", "carrier-pigeon"),
            2,
            "--container-image takes auto, build, stream",
        ),
        (("--idle", "soon"), 2, "--idle"),
        (("--tag", "colour"), 2, "--tag takes KEY=VALUE"),
        (("--name", "Not A Name"), 2, "cannot be called"),
        (("--labels", "nowhere.txt"), 2, "nowhere.txt"),
    ],
)
def test_what_cannot_be_meant(
    someone: Renter, name: str, words: tuple[str, ...], code: int, says: str
) -> None:
    done = someone("provision", "ec2", "--name", name, "-y", "-q", "-m", "builtin", *words)
    assert_refused(done, code, says)
    assert someone.carrying(name) == []
    assert not someone.folder(name).exists()


@pytest.mark.parametrize(
    ("changed", "code", "says"),
    [
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, 4, "credentials"),
        ({"AWS_DEFAULT_REGION": ""}, 4, "region"),
        ({"AWS_DEFAULT_REGION": "no such place"}, 2, "no such place"),
        ({"AWS_PROFILE": "nobody"}, 2, "nobody"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, 4, "127.0.0.1:9"),
        ({"OFFLOAD_CHECKIP": "http://127.0.0.1:9"}, 4, "127.0.0.1:9"),
    ],
)
def test_an_environment_in_which_it_cannot_be(
    someone: Renter, name: str, changed: dict[str, str], code: int, says: str
) -> None:
    someone.extra = changed
    done = someone("provision", "ec2", "--name", name, "-y", "-q", "-m", "builtin")
    assert_refused(done, code, says)
    assert someone.carrying(name) == []
    assert not someone.folder(name).exists()


def test_nothing_is_created_without_a_yes(someone: Renter, name: str) -> None:
    done = someone("provision", "ec2", "--name", name, "-q", "-m", "builtin")
    assert_refused(done, 2, "Creating a machine needs --yes.")
    assert "To agree in advance: offload provision ec2" in done.stderr
    assert done.stderr.rstrip().endswith("--yes")
    assert someone.carrying(name) == []


def test_a_machine_that_there_is_not(someone: Renter, name: str, examples: Path) -> None:
    says = f"This computer knows no machine {name}."
    for words in (
        ("detect", examples, *REMOTE, "--machine", name),
        ("stop", name),
        ("start", name),
        ("allow", name),
        ("logs", name),
        ("ssh", name),
    ):
        assert_refused(someone(*words), 2, says)
    assert_refused(someone("down", name), 2, f"There is no machine {name} in {someone.region}.")
    assert_refused(someone("detect", examples, *REMOTE), 2, "needs a server's address")
    assert not (someone.home / "data" / "machines" / name).exists()


def test_a_machine_and_an_address_exclude_each_other(machine: Rented, examples: Path) -> None:
    given = ("--machine", machine.name, "--url", "http://127.0.0.1:9")
    assert_refused(machine.renter("detect", examples, *REMOTE, *given), 2, "--url")
    elsewhere = ("--where", "local", "--machine", machine.name)
    assert_refused(machine.renter("detect", examples, *elsewhere), 2, "--machine")


def test_a_machine_stays_of_the_kind_and_where_it_is(machine: Rented) -> None:
    given = ("provision", "ec2", "--name", machine.name, "-y", "-q")
    other = machine.renter(*given, "--instance-type", "c7i.xlarge")
    assert_refused(other, 1, f"The machine {machine.name} is a c7i.large, not a c7i.xlarge.")
    assert_refused(machine.renter(*given, "--region", "us-west-2"), 2, "is in ")
    assert len(machine.renter.instances(machine.name)) == 1
