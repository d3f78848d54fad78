"""What a machine of a fleet does at its boot: the script, run by bash among stand-ins for what
reaches beyond it.
"""

import base64
import hashlib
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from offload.drivers.aws.fleet.template import Boot

REGISTRY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
SECRET, TOKEN, PASSWORD = "wJalr/secret+x=", "session/token+y==", "ecr-password"
BOOT = Boot(
    group="offload-fleet-photos",
    image=f"{REGISTRY}/offload-fleet-photos:1",
    region="eu-central-1",
    queue_url="https://sqs.eu-central-1.amazonaws.com/123456789012/offload-fleet-photos",
    dead_url="https://sqs.eu-central-1.amazonaws.com/123456789012/offload-fleet-photos-dead",
    out="s3://bucket/rows",
    ecr_url="https://api.ecr.eu-central-1.amazonaws.com",
    autoscaling_url="https://autoscaling.eu-central-1.amazonaws.com",
    registry=REGISTRY,
)
CREDENTIALS = {
    "Code": "Success",
    "LastUpdated": "2030-01-01T00:00:00Z",
    "Type": "AWS-HMAC",
    "AccessKeyId": "ASIAEXAMPLE",
    "SecretAccessKey": SECRET,
    "Token": TOKEN,
    "Expiration": "2030-01-01T06:00:00Z",
}
STUBS = {
    # The metadata service and AWS; every third time that the role is asked for, it has none.
    "curl": """
        cat >>"$HERE/stdin.curl" </dev/stdin
        case "$*" in
            *api/token) echo imds-token ;;
            *meta-data/instance-id) echo i-1 ;;
            *security-credentials/) echo role ;;
            *security-credentials/role)
                echo >>"$HERE/asked"
                if (($(wc -l <"$HERE/asked") % 3)); then cat "$HERE/role"
                else echo '{"Code": "Failed"}'; fi ;;
            *spot/instance-action) cat "$HERE/spot" 2>/dev/null || exit 22 ;;
            *GetAuthorizationToken*) cat "$HERE/authorized" 2>/dev/null || exit 2 ;;
        esac""",
    "docker": """
        case "$1 $2" in
            "image inspect") [ -e "$HERE/pulled" ] ;;
            "login "*) cat >"$HERE/password" ;;
            "pull "*) touch "$HERE/pulled" ;;
            "run "*) . "$HERE/worker" ;;
        esac""",
    "shutdown": 'touch "$HERE/off"',
    "sleep": "exec /bin/sleep 0.01",
    "setsid": 'exec "$@"',
    "systemd-run": "exit 1",
    "docker-credential-ecr-login": f"""
        cat >/dev/null
        echo '{{"Username": "AWS", "Secret": "{PASSWORD}"}}'""",
    **dict.fromkeys(("chown", "dnf", "dockerd", "systemctl"), ""),
}


@dataclass
class Machine:
    """One whose folders are below `here`; `worker` is what its container does, in bash."""

    here: Path

    def boot(self, boot: Boot, worker: str, metadata: str = "http://169.254.169.254") -> None:
        """Have it run the script to its end; its metadata service is at that address."""
        (self.here / "worker").write_text(worker)
        script = boot.user_data().replace("http://169.254.169.254", metadata)
        for folder in ("/etc/offload", "/var/lib/cloud", "/run/offload", "/var/log/offload"):
            script = script.replace(folder, f"{self.here}{folder}")
        for folder in ("run", "var/log"):
            (self.here / folder).mkdir(parents=True)
        path = f"{self.here}/bin:/usr/bin:/bin"
        self.process = subprocess.Popen(
            ["bash", "-c", script], env={"PATH": path, "HERE": str(self.here)},
            start_new_session=True,
        )  # fmt: skip
        assert self.process.wait(60) == 0

    @property
    def off(self) -> bool:
        return (self.here / "off").exists()

    def wait(self) -> None:
        """Until it is off."""
        until = time.monotonic() + 60
        while not self.off:
            assert time.monotonic() < until, (self.here / "var/log/offload-worker.log").read_text()
            time.sleep(0.02)

    def said(self, command: str) -> list[str]:
        """The words after that command, each time that it ran."""
        log = self.here / f"argv.{command}"
        return log.read_text().splitlines() if log.exists() else []

    def file(self, name: str) -> str:
        return (self.here / name).read_text()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    (tmp_path / "bin").mkdir()
    for name, text in STUBS.items():
        stub = tmp_path / "bin" / name
        stub.write_text(f'#!/bin/bash\necho "$*" >>"$HERE/argv.{name}"\n{text}\n')
        stub.chmod(0o755)
    (tmp_path / "role").write_text(json.dumps(CREDENTIALS, indent=2))
    told = base64.b64encode(f"AWS:{PASSWORD}".encode()).decode()
    (tmp_path / "authorized").write_text(
        json.dumps({"authorizationData": [{"authorizationToken": told, "expiresAt": 1.9e9}]})
    )
    one = Machine(tmp_path)
    yield one
    with suppress(ProcessLookupError):
        os.killpg(one.process.pid, signal.SIGKILL)


def credentials(machine: Machine) -> Mapping[str, str]:
    """As boto3 finds them in the container."""
    from botocore.configloader import load_config
    from botocore.credentials import ProcessProvider

    config = load_config(str(machine.here / "run/offload/config"))
    found = ProcessProvider("default", lambda: config).load()
    return dict(found.get_frozen_credentials()._asdict())


def test_the_image_is_pulled_with_a_login_of_the_role_and_the_worker_gets_its_options(
    machine: Machine,
) -> None:
    machine.boot(BOOT, "exit 0")
    machine.wait()
    verbs = [words.split()[0] for words in machine.said("docker")]
    assert verbs == ["version", "image", "login", "pull", "logout", "rm", "run"]
    assert machine.file("password") == PASSWORD
    run = machine.said("docker")[-1]
    assert run.endswith(
        f"{BOOT.image} work --queue {BOOT.queue_url} --dead {BOOT.dead_url} --out s3://bucket/rows"
    )
    for option in (
        "--read-only", "--cap-drop ALL", "run/offload:ro", "-e OFFLOAD_INSTANCE=i-1",
        "-e OFFLOAD_GROUP=offload-fleet-photos",
    ):  # fmt: skip
        assert option in run


def test_an_image_that_is_there_is_not_pulled(machine: Machine) -> None:
    (machine.here / "pulled").touch()
    machine.boot(BOOT, "exit 0")
    machine.wait()
    verbs = [words.split()[0] for words in machine.said("docker")]
    assert verbs == ["version", "image", "rm", "run"]


def test_where_curl_does_not_sign_the_login_is_that_of_aws_own_helper(machine: Machine) -> None:
    (machine.here / "authorized").unlink()
    machine.boot(BOOT, "exit 0")
    machine.wait()
    assert machine.file("password").strip() == PASSWORD
    assert machine.said("dnf") == ["install -y amazon-ecr-credential-helper"]


def test_no_secret_is_an_argument_of_any_command(machine: Machine) -> None:
    machine.boot(BOOT, "exit 1")
    machine.wait()
    for secret in (SECRET, TOKEN, PASSWORD, "imds-token"):
        assert secret not in "".join(log.read_text() for log in machine.here.glob("argv.*"))
        assert secret not in machine.file("var/log/offload-worker.log")
    told = machine.file("stdin.curl")
    assert f'user = "ASIAEXAMPLE:{SECRET}"\nheader = "X-Amz-Security-Token: {TOKEN}"' in told
    assert "X-aws-ec2-metadata-token: imds-token" in told


def test_the_container_finds_the_roles_credentials_whole_at_any_time(machine: Machine) -> None:
    machine.boot(BOOT, 'until [ "$(wc -l <"$HERE/asked")" -gt 8 ]; do sleep 1; done')
    file, seen = machine.here / "run/offload/credentials", 0
    while not machine.off:
        if file.exists():
            said = json.loads(file.read_text())
            assert (said["Version"], said["SessionToken"]) == (1, TOKEN)
            seen += 1
        time.sleep(0.001)
    assert seen
    assert credentials(machine) == {
        "access_key": "ASIAEXAMPLE", "secret_key": SECRET, "token": TOKEN,
        "account_id": None,
    }  # fmt: skip


def test_the_container_hears_of_a_spot_notice(machine: Machine) -> None:
    notice = '{"action": "terminate", "time": "2030-01-01T00:02:00Z"}'
    machine.boot(
        BOOT,
        '[ -e "$HERE/run/offload/notice" ] && touch "$HERE/too-soon"\n'
        f"echo '{notice}' >\"$HERE/spot\"\n"
        'until [ -e "$HERE/run/offload/notice" ]; do sleep 1; done',
    )
    machine.wait()
    assert not (machine.here / "too-soon").exists()
    assert json.loads(machine.file("run/offload/notice"))["action"] == "terminate"


def test_a_worker_that_ends_with_an_error_is_started_again(machine: Machine) -> None:
    machine.boot(BOOT, '[ -e "$HERE/once" ] || { touch "$HERE/once"; exit 1; }')
    machine.wait()
    assert [words.split()[0] for words in machine.said("docker")].count("run") == 2
    assert not [words for words in machine.said("curl") if "Terminate" in words]


def test_a_machine_that_gets_no_worker_to_run_leaves_the_group(machine: Machine) -> None:
    machine.boot(BOOT, "exit 125")
    machine.wait()
    assert [words.split()[0] for words in machine.said("docker")].count("run") == 5
    [left] = [words for words in machine.said("curl") if "Terminate" in words]
    assert "-d InstanceId=i-1 -d ShouldDecrementDesiredCapacity=true" in left
    assert BOOT.autoscaling_url in left


class Aws(ThreadingHTTPServer):
    """The metadata service, which wants a token of its own, and AWS, which wants signatures."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.signed: list[str] = []


class Answering(BaseHTTPRequestHandler):
    """Of one request."""

    server: Aws

    def do_PUT(self) -> None:
        """The metadata service's token."""
        self.say(200, "imds-token")

    def do_GET(self) -> None:
        """What it says of a machine."""
        known = {"/": "role", "/role": json.dumps(CREDENTIALS)}
        known = {f"/iam/security-credentials{path}": text for path, text in known.items()}
        known |= {"/instance-id": "i-1"}
        text = known.get(self.path.removeprefix("/latest/meta-data"))
        is_allowed = self.headers["X-aws-ec2-metadata-token"] == "imds-token"
        self.say(200 if text and is_allowed else 404, text or "")

    def do_POST(self) -> None:
        """A request to AWS, if it is signed as boto3 would sign it."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        said = dict(
            part.split("=", 1) for part in re.split("[ ,]+", self.headers["Authorization"])[1:]
        )
        names = said["SignedHeaders"].split(";")
        service = said["Credential"].split("/")[3]
        digest = hashlib.sha256(body).hexdigest()
        headers = [f"{name}:{self.headers[name]}" for name in names]
        canonical = "\n".join(["POST", self.path, "", *headers, "", ";".join(names), digest])
        auth = SigV4Auth(Credentials("ASIAEXAMPLE", SECRET, TOKEN), service, BOOT.region)
        request = AWSRequest("POST", "/")
        request.context["timestamp"] = self.headers["X-Amz-Date"]
        signature = auth.signature(auth.string_to_sign(request, canonical), request)
        assert {"host", "x-amz-date", "x-amz-security-token"} <= {*names}
        if signature == said["Signature"] and self.headers["X-Amz-Security-Token"] == TOKEN:
            self.server.signed.append(f"{service} {self.headers['X-Amz-Target']} {body.decode()}")
            told = base64.b64encode(f"AWS:{PASSWORD}".encode()).decode()
            self.say(200, json.dumps({"authorizationData": [{"authorizationToken": told}]}))
        else:
            self.say(403, "")

    def say(self, status: int, text: str) -> None:
        """An answer."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_what: object) -> None:
        """Nobody reads it."""


def test_curl_asks_the_metadata_service_and_signs_as_aws_wants_it(machine: Machine) -> None:
    (machine.here / "bin/curl").unlink()
    with Aws() as aws:
        threading.Thread(target=aws.serve_forever, args=[0.02], daemon=True).start()
        boot = replace(BOOT, ecr_url=aws.url, autoscaling_url=aws.url)
        machine.boot(boot, "exit 125", aws.url)
        machine.wait()
        aws.shutdown()
    assert machine.file("password") == PASSWORD
    login, left = aws.signed
    assert login == "ecr AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken {}"
    assert left == (
        "autoscaling None Action=TerminateInstanceInAutoScalingGroup&Version=2011-01-01"
        "&InstanceId=i-1&ShouldDecrementDesiredCapacity=true"
    )


def test_the_script_is_small_enough_and_valid() -> None:
    script = BOOT.user_data()
    assert len(script.encode()) < 16_384  # EC2 takes no more
    assert re.findall("@[A-Z_]+@", script) == ["@THIS@"]
    checked = subprocess.run(["bash", "-n"], input=script, text=True, check=False)
    assert checked.returncode == 0
