"""Damaged pictures and models are explained, whatever the damage."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.attack.conftest import Amount
from tests.conftest import PROJECT


@pytest.mark.parametrize(("kind", "many"), [("pictures", 6000), ("models", 600)])
def test_whatever_is_damaged_ends_in_its_own_error(
    tmp_path: Path, amount: Amount, kind: str, many: int
) -> None:
    words = ("-m", "tests.attack.fuzzing", kind, "0", str(amount(many)), str(tmp_path))
    done = subprocess.run(
        [sys.executable, *words], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"case {done.stdout.split()[-1:]}: {done.stderr[-3000:]}"
    assert len(done.stdout.split()) == amount(many)
