"""The interface against its own description, as a stranger's program reads it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.service.serving import Server

pytestmark = pytest.mark.xdist_group("service")

# No schema can say what a picture is, nor which classes a model has: what keeps to it may be 422.
SETTINGS = """\
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "413", "422", "429"]
"""


def test_the_server_keeps_to_its_description(strict: Server, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(SETTINGS)
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml",
        "run", f"{strict.url}/openapi.json", "--header", f"Authorization: Bearer {strict.token}",
        "--max-examples", "10", "--generation-deterministic", "--continue-on-failure", "--no-color",
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "11 selected / 11 total" in done.stdout
    assert "Traceback" not in strict.said()


def test_where_no_token_is_wanted_none_is_described(server: Server, strict: Server) -> None:
    with server.client() as client:
        assert "Authorization" not in client.get("/openapi.json").text
        assert "HTTPBearer" not in client.get("/openapi.json").text
    with strict.client() as client:
        operations = client.get("/openapi.json").json()["paths"]
        open_paths = {
            (path, method)
            for path, methods in operations.items()
            for method, operation in methods.items()
            if "security" not in operation
        }
    assert open_paths == {("/livez", "get"), ("/readyz", "get"), ("/", "get")}
